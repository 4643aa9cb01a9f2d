import numpy as np
import pytest

from autotune.errors import UsageError
from autotune.load import ClosedLoop, ConstantRate, PoissonRate, Trace
from autotune.load._schedule import Share, check_schedule


def test_constant_rate_is_evenly_spaced_from_zero():
    assert ConstantRate(4).arrivals(1.0) == pytest.approx([0, 0.25, 0.5, 0.75])


def test_constant_rate_with_a_window_that_is_no_multiple_of_the_gap():
    assert ConstantRate(3).arrivals(0.9) == pytest.approx([0, 1 / 3, 2 / 3])


def test_poisson_gaps_are_exponential_with_the_rate():
    gaps = np.diff(PoissonRate(1000, seed=3).arrivals(200.0))
    # 200,000 gaps: the mean of Exp(1000) is off by 0.2% (one sigma), the variance by 0.6%.
    assert gaps.mean() == pytest.approx(1e-3, rel=0.01)
    assert gaps.var() == pytest.approx(1e-6, rel=0.03)
    assert np.corrcoef(gaps[:-1], gaps[1:])[0, 1] == pytest.approx(0, abs=0.01)


def test_poisson_counts_vary_as_poisson_counts_do():
    counts = [len(PoissonRate(100, seed).arrivals(1.0)) for seed in range(1000)]
    assert np.mean(counts) == pytest.approx(100, rel=0.02)
    assert np.var(counts) == pytest.approx(100, rel=0.2)


@pytest.mark.parametrize("rate_per_s", [0.5, 3, 5000])
def test_poisson_times_are_ascending_and_within_the_window(rate_per_s):
    for seed in range(20):
        times = PoissonRate(rate_per_s, seed).arrivals(1.5)
        assert np.all(np.diff(times) > 0)
        assert np.all((times >= 0) & (times < 1.5))


def test_equal_seeds_give_equal_times_and_others_do_not():
    first, second = (PoissonRate(100, seed=5).arrivals(1.0) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first[:50], PoissonRate(100, seed=6).arrivals(1.0)[:50])


@pytest.mark.parametrize(
    ("schedule", "duration_s", "named"),
    [
        (ClosedLoop(0), 1.0, "--concurrency"),
        (ConstantRate(0), 1.0, "--rate"),
        (PoissonRate(-5, 0), 1.0, "--rate"),
        (PoissonRate(float("nan"), 0), 1.0, "--rate"),
        (PoissonRate(float("inf"), 0), 1.0, "--rate"),
        (ClosedLoop(1), 0.0, "window"),
    ],
)
def test_a_schedule_without_load_is_refused(schedule, duration_s, named):
    with pytest.raises(UsageError, match=f"^{named}"):
        check_schedule(schedule, duration_s)


def test_trace_replays_the_recorded_times_that_fall_in_the_window():
    trace = Trace.of("burst.txt", np.array([0.0, 0.1, 0.1, 0.5]))
    assert trace.arrivals(0.5) == pytest.approx([0.0, 0.1, 0.1])
    assert trace.arrivals(trace.length_s) == pytest.approx([0.0, 0.1, 0.1, 0.5])
    assert trace.rate_per_s == pytest.approx(8.0)


def test_shares_of_a_schedule_are_the_whole_schedule():
    whole = PoissonRate(500, seed=2)
    shares = [Share(whole, index, 3).arrivals(1.0) for index in range(3)]
    np.testing.assert_array_equal(np.sort(np.concatenate(shares)), whole.arrivals(1.0))
    assert [Share(whole, 0, 2).rate_per_s, len(shares[0]) - len(shares[2]) in (0, 1)] == [250, True]
