"""What a window of load came to, from the times of its requests."""

from dataclasses import replace

import numpy as np
import pytest

from autotune.load import ClosedLoop, ConstantRate, LoadResult, Schedule


def window(schedule: Schedule, scheduled_s: list[float], latency_s: list[float]) -> LoadResult:
    """A window of one second of requests for two inferences each."""
    return LoadResult(
        schedule=schedule,
        duration_s=1.0,
        elapsed_s=1.2,
        batch_size=2,
        scheduled_s=np.array(scheduled_s),
        latency_s=np.array(latency_s),
        lateness_s=np.zeros(len(scheduled_s)),
    )


def turns(first_s: float, turn_s: float = 0.1) -> LoadResult:
    """Two requests outstanding for the whole window, answered ``first_s`` after its start and each turn from then."""
    sent_s = [0.0, 0.0]
    while (next_s := first_s + (len(sent_s) // 2 - 1) * turn_s) < 1.0:
        sent_s += [next_s] * 2
    answered_s = [*sent_s[2:], next_s, next_s]
    return window(ClosedLoop(2), sent_s, [end - begin for begin, end in zip(sent_s, answered_s, strict=True)])


@pytest.mark.parametrize("turn_s", [0.1, 0.13, 0.2, 0.24, 0.35])
@pytest.mark.parametrize("first_s", [0.1, 0.3])
def test_a_closed_loop_is_rated_from_its_first_turn_on(first_s: float, turn_s: float) -> None:
    """Two requests of two inferences each turn, however long the server took to get going, in whole turns or not."""
    assert turns(first_s, turn_s).achieved_per_s == pytest.approx(4 / turn_s)


def test_a_closed_loop_whose_first_turn_takes_most_of_the_window_is_rated_over_all_of_it() -> None:
    assert turns(0.55).completed_in_window == 10
    assert turns(0.55).achieved_per_s == pytest.approx(20.0)


def test_a_closed_loop_without_an_answer_completes_nothing() -> None:
    assert window(ClosedLoop(2), [0.0, 0.0], [np.inf, np.inf]).achieved_per_s == 0.0


def test_a_closed_loop_that_began_in_mid_flow_is_rated_over_all_of_its_window() -> None:
    sent_s = [-0.05, *np.arange(0.05, 1.0, 0.1)]
    result = replace(window(ClosedLoop(1), sent_s, [0.1] * len(sent_s)), mid_flow=True)
    assert result.achieved_per_s == result.completed_in_window * 2 == 20.0


def test_an_open_loop_is_rated_over_all_of_its_window() -> None:
    assert window(ConstantRate(2), [0.0, 0.5], [0.3, 0.3]).achieved_per_s == pytest.approx(4.0)
