"""How requests are spaced."""

from __future__ import annotations

import numpy as np
import pytest

from autotune.arrivals import POISSON, Arrivals, Constant, Gamma, Recorded, parse_arrivals
from autotune.errors import UsageError
from autotune.load import ConstantRate, OpenLoop, PoissonRate, SpacedRate, open_loop
from autotune.objective import Ceiling, Objective

BURSTS = np.repeat(np.arange(40.0), 10) + np.tile(np.arange(10) * 0.01, 40)  # ten requests at once, every second
KINDS = [POISSON, Constant(), Gamma(0.5), Gamma(3.0), Recorded.of("bursts", BURSTS)]


def counts(loop: OpenLoop, seconds: float, spans: int) -> np.ndarray:
    return np.histogram(loop.arrivals(seconds), spans, (0, seconds))[0]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_rate_is_the_one_asked_for(kind: Arrivals) -> None:
    rates = [len(open_loop(kind, 500, seed).arrivals(20)) / 20 for seed in range(20)]
    assert np.mean(rates) == pytest.approx(500, rel=0.03)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_times_ascend_within_the_window_and_repeat_with_the_seed(kind: Arrivals) -> None:
    times = open_loop(kind, 1000, 3).arrivals(1.5)
    assert (np.diff(times) >= 0).all()
    assert times[0] >= 0
    assert times[-1] < 1.5
    assert np.array_equal(times, open_loop(kind, 1000, 3).arrivals(1.5))


@pytest.mark.parametrize("kind", [POISSON, Gamma(0.5), Gamma(3.0)], ids=str)
def test_dispersion_is_that_of_counts(kind: Arrivals) -> None:
    found = [counts(open_loop(kind, 1000, seed), 50, 100) for seed in range(10)]
    assert np.var(found) / np.mean(found) == pytest.approx(kind.dispersion, rel=0.15)


def test_dispersion_of_a_recording_is_counted() -> None:
    even = Recorded.of("even", np.arange(1000.0))
    slow_then_fast = Recorded.of("waves", np.cumsum(np.repeat([10.0, 1.0] * 5, 100)))
    assert even.dispersion < 0.1
    assert slow_then_fast.dispersion > 10


def test_shares_of_processes_add_up() -> None:
    whole = open_loop(Gamma(2.0), 400, 1)
    parts = np.concatenate([whole.share(index, 3).arrivals(2.0) for index in range(3)])
    assert np.array_equal(np.sort(parts), whole.arrivals(2.0))


def test_words_become_arrivals() -> None:
    assert parse_arrivals("poisson") == POISSON
    assert isinstance(open_loop(parse_arrivals("poisson"), 10, 1), PoissonRate)
    assert isinstance(open_loop(parse_arrivals("constant"), 10, 1), ConstantRate)
    assert open_loop(parse_arrivals("gamma:2"), 10, 1) == SpacedRate(10, 1, Gamma(2.0))


@pytest.mark.parametrize("text", ["", "bursts", "gamma", "gamma:0", "gamma:-1", "gamma:nan", "gamma:1e9", "poisson:2"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--arrivals: ") as refused:
        parse_arrivals(text)
    assert "gamma:2" in str(refused.value)


@pytest.mark.parametrize("times", [[], [1.0], [2.0, 2.0, 2.0]])
def test_recording_without_a_rate_is_refused(times: list[float]) -> None:
    with pytest.raises(ValueError, match="no rate"):
        Recorded.of("file", np.array(times))


def test_closed_loop_has_no_arrivals() -> None:
    with pytest.raises(UsageError, match=r"^--arrivals: a closed loop"):
        Objective("throughput", (Ceiling("p99", 0.005),), load="closed", arrivals=Gamma(2.0))
