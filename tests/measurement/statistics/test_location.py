"""Where the late fraction crosses the one allowed, on curves whose crossing is known."""

import math

import numpy as np
import pytest

from autotune.measurement.statistics import Bracket, RateCounts, bracket, locate, next_rate, pooled_fractions

P0 = 0.01
CROSSING = 2000.0
CLIFF = math.inf


def late_probability(rate, slope):
    if slope == CLIFF:
        return 0.9 if rate > CROSSING else 0.0
    return 1 / (1 + (1 - P0) / P0 * (CROSSING / rate) ** slope)


def probed(random, rate, slope, design_effect, seconds=2.0):
    """What a probe of ``seconds`` counts, its late requests coming ``design_effect`` at a time."""
    bunches = max(1, round(random.poisson(rate * seconds) / design_effect))
    late = random.binomial(bunches, late_probability(rate, slope))
    return RateCounts(rate, bunches * design_effect, late * design_effect, design_effect)


def located(seed, slope, design_effect, probes):
    """The location after some probes, each where the earlier ones point; the first is up to 1.5 times off."""
    random = np.random.default_rng(seed)
    rate = CROSSING * math.exp(random.uniform(-0.4, 0.4))
    counts = []
    for _ in range(probes):
        counts.append(probed(random, rate, slope, design_effect))
        rate = next_rate(counts, P0)
    return locate(counts, P0)


@pytest.mark.parametrize(
    ("slope", "design_effect", "probes", "median_error", "covered"),
    [
        (30, 1, 4, 0.005, 0.85),
        (30, 20, 6, 0.015, 0.82),
        (70, 50, 6, 0.015, 0.82),
        (12, 5, 6, 0.02, 0.78),
        (30, 100, 9, 0.025, 0.82),
        (200, 20, 6, 0.01, 0.82),
    ],
)
def test_a_few_probes_locate_the_crossing(slope, design_effect, probes, median_error, covered):
    locations = [located(seed, slope, design_effect, probes) for seed in range(120)]
    errors = np.array([math.log(location.rate_per_s / CROSSING) for location in locations])
    assert np.median(abs(errors)) < median_error
    assert abs(errors.mean()) < median_error
    inside = [location.low_per_s <= CROSSING <= location.high_per_s for location in locations]
    assert np.mean(inside) > covered  # nominal 0.9; probes were placed by what earlier ones said


def test_a_cliff_is_reported_as_the_bracket_that_closes_on_it():
    locations = [located(seed, CLIFF, 1, 7) for seed in range(60)]
    assert all(location.low_per_s < CROSSING <= location.high_per_s for location in locations)
    assert np.median([location.relative_width for location in locations]) < 0.03
    for location in locations:
        assert location.rate_per_s == pytest.approx(math.sqrt(location.low_per_s * location.high_per_s))


def test_more_probes_narrow_the_interval():
    few = np.median([located(seed, 30, 20, 4).relative_width for seed in range(40)])
    many = np.median([located(seed, 30, 20, 12).relative_width for seed in range(40)])
    assert many < 0.75 * few


def test_probes_that_scatter_more_than_their_counts_allow_widen_the_interval():
    rates = [1900, 1940, 1980, 2020, 2060, 2100]
    smooth = [RateCounts(rate, 10_000, 10_000 * late_probability(rate, 30)) for rate in rates]
    factors = [3, 1 / 3, 3, 1 / 3, 3, 1 / 3]
    rough = [
        RateCounts(probe.rate_per_s, 10_000, probe.late * factor) for probe, factor in zip(smooth, factors, strict=True)
    ]
    assert locate(rough, P0).relative_width > 2 * locate(smooth, P0).relative_width


def test_a_design_effect_weakens_a_probe():
    rates = [1900, 2000, 2100]
    clear = locate([RateCounts(rate, 5000, 5000 * late_probability(rate, 30)) for rate in rates], P0)
    vague = locate([RateCounts(rate, 5000, 5000 * late_probability(rate, 30), 25) for rate in rates], P0)
    assert vague.relative_width > 2 * clear.relative_width


def test_separable_counts_have_a_finite_crossing_within_their_bracket():
    location = locate([RateCounts(1000, 2000, 0), RateCounts(2000, 4000, 300)], P0)
    assert 1000 < location.low_per_s < location.rate_per_s < location.high_per_s < 2000


def test_the_unit_of_the_rate_does_not_matter():
    probes = [RateCounts(1800, 4000, 2), RateCounts(2000, 4000, 35), RateCounts(2100, 4000, 160)]
    scaled = [RateCounts(probe.rate_per_s * 8, probe.requests, probe.late) for probe in probes]
    assert locate(scaled, P0).rate_per_s == pytest.approx(8 * locate(probes, P0).rate_per_s)
    assert locate(probes[::-1], P0) == locate(probes, P0)


@pytest.mark.parametrize("p0", [0.001, 0.05, 0.5])
def test_other_fractions_are_located_alike(p0):
    rates = np.array([1800, 1900, 2000, 2100, 2200])
    odds = p0 / (1 - p0) * (rates / CROSSING) ** 30
    probes = [RateCounts(rate, 20_000, 20_000 * odd / (1 + odd)) for rate, odd in zip(rates, odds, strict=True)]
    assert locate(probes, p0).rate_per_s == pytest.approx(CROSSING, rel=0.005)


def test_while_every_probe_holds_there_is_no_upper_end():
    location = locate([RateCounts(1000, 2000, 0), RateCounts(1200, 2400, 0)], P0)
    assert location.high_per_s == math.inf
    assert 0 < location.low_per_s <= location.rate_per_s <= 1200 * 1.3
    assert location.relative_width == math.inf


def test_while_every_probe_fails_there_is_no_lower_end():
    location = locate([RateCounts(1000, 2000, 1500), RateCounts(1200, 2400, 2400)], P0)
    assert location.low_per_s == 0
    assert 1000 * 0.7 <= location.rate_per_s < 1000
    assert location.relative_width == math.inf


def test_without_requests_nothing_is_located():
    for ask in (locate, next_rate, bracket):
        with pytest.raises(ValueError, match="no probe"):
            ask([RateCounts(1000, 0, 0)], P0)


def test_the_next_probe_goes_up_by_at_most_three_tenths_while_none_failed():
    assert next_rate([RateCounts(1000, 5000, 0)], P0) == pytest.approx(1300)
    assert 1000 * 1.03 <= next_rate([RateCounts(1000, 5000, 45)], P0) < 1100


def test_the_next_probe_goes_down_by_at_most_three_tenths_while_none_held():
    assert next_rate([RateCounts(1000, 5000, 5000)], P0) == pytest.approx(700, rel=0.15)
    assert next_rate([RateCounts(1000, 5000, 5000)], P0) >= 700
    assert 900 < next_rate([RateCounts(1000, 5000, 60)], P0) <= 1000 / 1.03


def test_the_next_probe_splits_a_cliff_in_its_geometric_middle():
    assert next_rate([RateCounts(1000, 5000, 0), RateCounts(1440, 7000, 6000)], P0) == pytest.approx(1200)


def test_the_next_probe_keeps_away_from_both_ends_of_the_bracket():
    end = 1.5**0.1
    near_upper = [RateCounts(1000, 50_000, 0), RateCounts(1500, 50_000, 505)]
    assert next_rate(near_upper, P0) == pytest.approx(1500 / end)
    near_lower = [RateCounts(1000, 50_000, 495), RateCounts(1500, 50_000, 25_000)]
    assert next_rate(near_lower, P0) == pytest.approx(1000 * end)


def test_contradicting_neighbours_share_their_pooled_fraction():
    probes = [
        RateCounts(900, 1000, 0),
        RateCounts(1000, 1000, 30),
        RateCounts(1100, 3000, 10),
        RateCounts(1200, 500, 50),
    ]
    assert pooled_fractions(probes) == ((900, 0.0), (1000, 0.01), (1100, 0.01), (1200, 0.1))
    assert bracket(probes, 0.009) == Bracket(900, 0.0, 1000, 0.01)
    assert bracket(probes, 0.02) == Bracket(1100, 0.01, 1200, 0.1)


def test_pooling_weighs_by_effective_requests():
    probes = [RateCounts(1000, 1000, 30, design_effect=10), RateCounts(1100, 1000, 0)]
    assert pooled_fractions(probes) == ((1000, pytest.approx(3 / 1100)), (1100, pytest.approx(3 / 1100)))


def test_pooled_fractions_never_fall_and_keep_the_total():
    random = np.random.default_rng(8)
    probes = [RateCounts(rate, 1000, random.binomial(1000, 0.3)) for rate in random.permutation(np.arange(1, 40))]
    fractions = [fraction for _, fraction in pooled_fractions(probes)]
    assert fractions == sorted(fractions)
    assert sum(fractions) * 1000 == pytest.approx(sum(probe.late for probe in probes))


def test_repeated_probes_of_a_rate_are_one():
    assert pooled_fractions([RateCounts(1000, 100, 0), RateCounts(1000, 300, 4)]) == ((1000, 0.01),)
    assert pooled_fractions([RateCounts(1000, 300, 4), RateCounts(1000, 100, 0)]) == ((1000, 0.01),)


def test_contradictory_probes_still_give_one_ordered_answer():
    probes = [
        RateCounts(900, 5000, 0),
        RateCounts(1000, 5000, 100),
        RateCounts(1050, 5000, 20),
        RateCounts(1200, 5000, 900),
    ]
    location = locate(probes, P0)
    assert 900 < location.low_per_s < location.rate_per_s < location.high_per_s < 1200
    assert 900 < next_rate(probes, P0) < 1200


def drawn(came_spread, slow_exponent=None):
    """Windows at the crossing, of whose arrivals more or fewer came than were asked for."""
    probes = []
    for came in (0.94, 0.97, 1.0, 1.03, 1.06):
        late = late_probability(CROSSING * came, 30)
        slow = (500, 500 * late**slow_exponent) if slow_exponent else (0.0, 0.0)
        probes.append(RateCounts(CROSSING, 500, 500 * late, came=came, came_spread=came_spread, slow=slow))
    return probes


def test_late_requests_count_at_the_rate_that_came():
    assert locate(drawn(came_spread=0.0), P0).rate_per_s == pytest.approx(CROSSING, rel=0.01)


def test_what_is_late_at_a_rate_is_the_mean_over_what_may_come():
    spread = 0.02
    shift = locate(drawn(spread), P0).rate_per_s / locate(drawn(0.0), P0).rate_per_s
    assert shift == pytest.approx(math.exp(-30 * spread**2 / 2), rel=0.003)


def test_requests_over_a_lower_limit_narrow_the_interval():
    with_slow, without = locate(drawn(0.0, slow_exponent=0.5), P0), locate(drawn(0.0), P0)
    assert with_slow.high_per_s / with_slow.rate_per_s - 1 < 0.8 * (without.high_per_s / without.rate_per_s - 1)
    assert with_slow.rate_per_s == pytest.approx(CROSSING, rel=0.01)
