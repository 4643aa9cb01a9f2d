"""Windows do not leak into each other: what is waited for after one."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from simulated_server import SimulatedServer

from autotune.load import ClosedLoop, LoadResult
from autotune.measurement import MeasureOptions, Serving
from autotune.measurement._settled import Counters, settled
from autotune.server import ModelStatistics

SERVING = Serving()


@dataclass
class Counting(SimulatedServer):
    """Counts one more request at each of these times."""

    ends_s: list[float] = field(default_factory=list)
    execution_s: float = 0.001
    now_s: float = 0.0

    def statistics(self, model: str = "") -> ModelStatistics:
        ended = sum(each <= self.now_s for each in self.ends_s)
        return ModelStatistics(
            success_count=ended,
            batch_executions={1: ended},
            batch_compute_ns={1: round(ended * self.execution_s * 1e9)},
        )

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def window(answered: int, **errors: int) -> LoadResult:
    latency_s = np.full(answered + sum(errors.values()), np.inf)
    latency_s[:answered] = 0.01
    times = np.zeros(len(latency_s))
    kinds = {kind.replace("_", " "): count for kind, count in errors.items()}
    return LoadResult(ClosedLoop(1), 1.0, 1.0, 1, times, latency_s, times, kinds)


def waited(server: Counting, result: LoadResult, options: MeasureOptions | None = None) -> tuple[float, Counters]:
    before = Counters(ModelStatistics(), {})
    after = settled(
        server, SERVING, before, result, options or MeasureOptions(), clock=lambda: server.now_s, sleep=server.sleep
    )
    return server.now_s, after


def test_a_window_whose_requests_were_all_counted_waits_for_nothing() -> None:
    assert waited(Counting(ends_s=[0.0] * 5), window(5))[0] == 0.0


def test_an_answer_that_is_counted_a_moment_later_belongs_to_its_window() -> None:
    seconds, after = waited(Counting(ends_s=[0.0, 0.0, 0.004]), window(3))
    assert after.model.success_count == 3
    assert seconds == pytest.approx(0.004)


def test_requests_that_were_given_up_are_waited_for_until_the_last_one_ended() -> None:
    seconds, after = waited(Counting(ends_s=[0.0, 0.5, 1.5], execution_s=0.5), window(1, timeout=2))
    assert after.model.success_count == 3
    assert seconds == pytest.approx(1.5, abs=0.01)


def test_cancelled_requests_are_counted_nowhere_so_a_standstill_ends_the_wait() -> None:
    server = Counting(ends_s=[0.0, 0.12], execution_s=0.05)
    seconds, after = waited(server, window(1, timeout=5))
    assert after.model.success_count == 2
    assert 0.12 + 0.15 <= seconds < 0.4


def test_a_standstill_is_longer_than_the_poll_that_requests_may_wait_for() -> None:
    """Triton 2.51, queue policies and priority levels: nothing is executed for up to 500 ms, with a full queue."""
    server = Counting(ends_s=[0.0, 0.45])
    options = MeasureOptions()
    before = Counters(ModelStatistics(), {})
    given_up = window(1, timeout=1)
    after = settled(server, Serving(polls=True), before, given_up, options, lambda: server.now_s, server.sleep)
    assert after.model.success_count == 2


def test_the_wait_is_bounded() -> None:
    busy = Counting(ends_s=[0.01 * each for each in range(1000)])
    seconds, _ = waited(busy, window(1, timeout=5000), replace(MeasureOptions(), settle_s=2.0))
    assert seconds == pytest.approx(2.0, abs=0.01)


def test_refusals_are_counted_nowhere_and_not_waited_for() -> None:
    assert waited(Counting(ends_s=[0.0]), window(1, http_503=50))[0] == 0.0
