import numpy as np
import pytest

from autotune.measurement.statistics import paired_ratio


def test_the_ratio_is_the_geometric_mean_of_the_rounds():
    ratio = paired_ratio([200, 100], [100, 200])
    assert ratio.value == pytest.approx(1.0)
    assert ratio.low < 1 < ratio.high


def test_a_drift_that_both_meet_does_not_widen_the_interval():
    machine = np.array([1.0, 0.5, 2.0])
    ratio = paired_ratio((110 * machine).tolist(), (100 * machine).tolist())
    assert ratio.low == pytest.approx(1.1)
    assert ratio.high == pytest.approx(1.1)
    assert ratio.low > 1 or ratio.high < 1


def test_one_round_says_nothing_of_the_scatter():
    ratio = paired_ratio([300], [100])
    assert (ratio.value, ratio.low, ratio.high) == (pytest.approx(3.0), 0.0, np.inf)


def test_values_must_be_positive_and_as_many_of_both():
    for ours, theirs in (([], []), ([1.0], [1.0, 2.0]), ([0.0, 1.0], [1.0, 1.0])):
        with pytest.raises(ValueError, match="as many positive values of all"):
            paired_ratio(ours, theirs)


@pytest.mark.parametrize("rounds", [3, 5])
def test_the_interval_covers_the_true_ratio_as_often_as_it_says(rounds):
    rng = np.random.default_rng(rounds)
    repeats, true = 4000, 1.3
    covered = 0
    for _ in range(repeats):
        drift = rng.normal(0, 0.2, rounds)
        ours = np.exp(np.log(true) + drift + rng.normal(0, 0.03, rounds))
        theirs = np.exp(drift + rng.normal(0, 0.03, rounds))
        ratio = paired_ratio(ours.tolist(), theirs.tolist())
        covered += ratio.low <= true <= ratio.high
    assert covered / repeats == pytest.approx(0.95, abs=0.012)  # 3.5 standard errors


def test_a_third_config_in_the_same_rounds_tells_how_far_they_scatter():
    ours, theirs, third = [2289.0, 3935.0], [1262.0, 1473.0], [2310.0, 3243.0]
    alone = paired_ratio(ours, theirs)
    assert alone.low < 1 < alone.high
    beside = paired_ratio(ours, theirs, beside=[third])
    assert beside.value == paired_ratio(ours, theirs).value
    assert beside.low > 1 or beside.high < 1
    with pytest.raises(ValueError, match="as many positive values of all"):
        paired_ratio(ours, theirs, beside=[[1.0]])


@pytest.mark.parametrize(("rounds", "configs"), [(2, 3), (2, 5), (3, 4)])
def test_the_interval_covers_the_true_ratio_with_other_configs_beside(rounds, configs):
    rng = np.random.default_rng(10 * rounds + configs)
    repeats, covered = 4000, 0
    for _ in range(repeats):
        drift = rng.normal(0, 0.2, rounds)
        values = np.exp(np.linspace(0.3, 0.0, configs)[:, None] + drift + rng.normal(0, 0.05, (configs, rounds)))
        ours, *beside, theirs = values.tolist()
        ratio = paired_ratio(ours, theirs, beside=beside)
        covered += ratio.low <= np.exp(0.3) <= ratio.high
    assert covered / repeats == pytest.approx(0.95, abs=0.012)  # 3.5 standard errors
