"""How much clustering costs, on counts whose design effect is known."""

import time

import numpy as np
import pytest

from autotune.measurement.statistics import ClusteredCounts, at_fraction


def design_effect(requests, late):
    counts = ClusteredCounts()
    for block_requests, block_late in zip(requests, late, strict=True):
        counts.add(float(block_requests), float(block_late))
    return counts.design_effect()


def bunched(bunch, blocks, p, requests_per_block, seed, carry=0.0):
    """Counts where late requests come ``bunch`` at a time; a bunch goes on into the next block with ``carry``."""
    random = np.random.default_rng(seed)
    requests = random.poisson(requests_per_block, blocks) + bunch
    starts = random.poisson(p * requests.mean() / bunch * (1 - carry), blocks)
    late = np.zeros(blocks)
    going = 0
    for block in range(blocks):
        going = starts[block] + random.binomial(going, carry)
        late[block] = bunch * going
    return requests, np.minimum(late, requests)


def test_independent_requests_have_a_design_effect_of_about_one():
    estimates = []
    for seed in range(40):
        random = np.random.default_rng(seed)
        requests = random.poisson(100, 400)
        estimates.append(design_effect(requests, random.binomial(requests, 0.02)))
    assert min(estimates) >= 1
    assert 1 <= np.median(estimates) < 1.5  # the largest of six estimates is above 1 on average


@pytest.mark.parametrize("bunch", [5, 20, 80])
def test_bunches_within_blocks_count_once_each(bunch):
    estimates = [design_effect(*bunched(bunch, 400, 0.02, 200, seed)) for seed in range(20)]
    assert bunch * 0.9 < np.median(estimates) < bunch * 1.7


def test_bunches_that_go_on_over_blocks_are_seen_by_merging_them():
    # A bunch continues with probability 0.8, so that five blocks on average share it: D = 20 (1 + 0.8) / (1 - 0.8).
    estimates = [design_effect(*bunched(20, 800, 0.02, 200, seed, carry=0.8)) for seed in range(20)]
    assert 180 * 0.7 < np.median(estimates) < 180 * 1.6


def test_blocks_of_unequal_size_are_no_clustering():
    random = np.random.default_rng(4)
    requests = np.tile([10, 400], 200)
    assert design_effect(requests, random.binomial(requests, 0.1)) < 1.7


@pytest.mark.parametrize("late", [0, 1])
def test_nothing_late_and_everything_late_tell_nothing_about_clustering(late):
    requests = np.full(50, 30)
    assert design_effect(requests, requests * late) == 1


def test_a_single_bunch_counts_as_one_late_request():
    late = np.zeros(40)
    late[17] = 30
    assert design_effect(np.full(40, 100), late) == pytest.approx(30, rel=0.15)


def test_without_blocks_or_requests_there_is_no_clustering():
    assert design_effect([], []) == 1
    assert design_effect([50], [3]) == 1
    assert design_effect([0, 0, 0], [0, 0, 0]) == 1


def test_counting_block_by_block_gives_the_variance_of_the_merged_totals():
    random = np.random.default_rng(5)
    requests = random.poisson(50, 101)
    late = np.minimum(requests, random.geometric(0.3, 101) - 1)
    expected = 1.0
    for merge in (1, 2, 4, 8, 16, 32):
        merged = len(requests) // merge
        if merged >= 4:
            n = requests[: merged * merge].reshape(merged, merge).sum(axis=1)
            t = late[: merged * merge].reshape(merged, merge).sum(axis=1)
            p = t.sum() / n.sum()
            variance = merged / (merged - 1) * ((t - p * n) ** 2).sum()
            expected = max(expected, variance / (n.sum() * p * (1 - p)))
    assert design_effect(requests, late) == pytest.approx(expected)


def test_counts_add_up():
    counts = ClusteredCounts()
    assert counts.late_fraction == 0
    counts.add(30, 1)
    counts.add(10, 3)
    assert (counts.blocks, counts.requests, counts.late, counts.late_fraction) == (2, 40, 4, 0.1)


def test_a_thousand_blocks_are_judged_in_well_under_a_block():
    counts = ClusteredCounts()
    for block in range(1000):
        counts.add(200, block % 7)
    started = time.process_time()
    for _ in range(100):
        counts.design_effect()
    assert (time.process_time() - started) / 100 < 0.005  # about 20 us: the estimate is kept up, not computed anew


def reflected_brownian_motion(seconds, step_s, seed):
    """A queue in heavy traffic: drift -1, variance 2, so that its stationary law is exponential with mean 1."""
    random = np.random.default_rng(seed)
    steps = round(seconds / step_s)
    walk = np.cumsum(random.normal(-step_s, np.sqrt(2 * step_s), steps))
    return walk - np.minimum.accumulate(np.minimum(walk, 0))


def test_the_design_effect_at_a_limit_follows_from_that_at_a_lower_one():
    queue = reflected_brownian_motion(400_000, 0.05, seed=6)
    stretches = queue[: len(queue) // 4000 * 4000].reshape(-1, 4000)

    def seen_at(fraction):
        over = stretches > -np.log(fraction)
        share = over.mean()
        return over.sum(axis=1).var() / (stretches.shape[1] * share * (1 - share)), share

    wanted, wanted_share = seen_at(0.02)
    for fraction in (0.05, 0.2, 0.5):
        effect, share = seen_at(fraction)
        assert at_fraction(effect, share, wanted_share) == pytest.approx(wanted, rel=0.2)


def test_a_design_effect_is_carried_over_only_from_limits_exceeded_more_often():
    assert at_fraction(50.0, 0.2, 0.01) > 50
    assert at_fraction(50.0, 0.005, 0.01) == 50
    assert at_fraction(50.0, 0.9, 0.01) == 50
    assert at_fraction(1.0, 0.2, 0.01) == 1
    assert at_fraction(50.0, 0.0, 0.01) == 50
