"""Queue policies make Triton poll: a single request at a time does not bound every load then."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pytest
from polling_server import QueueOfOne
from simulated_server import SimulatedServer

from autotune.load import ClosedLoop, LoadResult, Schedule, Watch
from autotune.measurement import LOCATED_RATE, ROUGH_RATE, Infeasible, LimitKind, MeasureOptions, Meter
from autotune.objective import Ceiling, Objective
from autotune.server import ModelStatistics

POLICY = {"default_queue_policy": {"max_queue_size": 8}}


@dataclass
class PollingServer(SimulatedServer):
    """Leaves every twentieth request that is sent alone waiting for half a second, as Triton 2.51 does."""

    policy: bool = True

    def model_config(self, model: str = "") -> dict[str, Any]:
        return {**super().model_config(), "dynamic_batching": POLICY if self.policy else {}}

    def _closed_loop(self, concurrency: int, duration_s: float) -> tuple[np.ndarray, np.ndarray]:
        arrivals, latency = super()._closed_loop(concurrency, duration_s)
        if concurrency == 1:
            latency[10::20] += 0.5
        return arrivals, latency


@pytest.mark.parametrize("load", ["open", "closed"])
def test_requests_that_waited_for_a_poll_do_not_end_a_trial_before_any_load(load: Literal["open", "closed"]) -> None:
    objective = Objective("throughput", (Ceiling("p99", 0.02),), load=load)
    server = PollingServer(0.002)
    measured = Meter(server, server, objective).measure(LOCATED_RATE)
    assert measured.feasible
    assert measured.rate_per_s > 200
    waited, requests = measured.polled
    assert 0.03 < waited / requests < 0.07


def test_without_a_policy_a_single_request_at_a_time_bounds_every_load() -> None:
    server = PollingServer(0.002, policy=False)
    measured = Meter(server, server, Objective("throughput", (Ceiling("p99", 0.02),))).measure(LOCATED_RATE)
    assert measured.infeasible is Infeasible.ALONE
    assert measured.polled == (0, 0)


def test_requests_that_are_all_over_the_ceiling_are_not_the_policys_doing() -> None:
    server = PollingServer(0.03)
    measured = Meter(server, server, Objective("throughput", (Ceiling("p99", 0.02),))).measure(LOCATED_RATE)
    assert measured.infeasible is Infeasible.ALONE


@dataclass
class RefusesAtAnyLoad(SimulatedServer):
    """Refuses a quarter of the requests at any load but one at a time."""

    def model_config(self, model: str = "") -> dict[str, Any]:
        return {**super().model_config(), "dynamic_batching": {"default_queue_policy": {"max_queue_size": 1}}}

    def run(self, schedule: Schedule, duration_s: float, timeout_s: float, watch: Watch | None = None) -> LoadResult:
        result = super().run(schedule, duration_s, timeout_s, watch)
        if isinstance(schedule, ClosedLoop) and schedule.concurrency == 1:
            return result
        latency_s = result.latency_s.copy()
        latency_s[1::4] = np.inf
        refused = int(np.count_nonzero(np.isinf(latency_s)))
        return replace(result, latency_s=latency_s, errors={"http 503": refused}, error_example="http 503: full")


def test_a_config_that_refuses_requests_at_every_load_is_limited_by_errors() -> None:
    server = RefusesAtAnyLoad(0.002)
    measured = Meter(server, server, Objective("throughput", (Ceiling("p99", 0.02),))).measure(LOCATED_RATE)
    assert not measured.feasible
    assert measured.limited_by is not None
    assert (measured.limited_by.kind, measured.limited_by.queue_size) == (LimitKind.ERRORS, 1)
    assert measured.limited_by.failed == pytest.approx(0.25, abs=0.05)


@dataclass
class StandsStill(PollingServer):
    """Completes 500/s; a closed loop of several requests stands still until the next poll, again and again."""

    def statistics(self, model: str = "") -> ModelStatistics:
        counted = super().statistics()
        busy_ns = round(counted.success_count * self.service_s * 1e9)
        return replace(counted, batch_executions={1: counted.success_count}, batch_compute_ns={1: busy_ns})

    def _closed_loop(self, concurrency: int, duration_s: float) -> tuple[np.ndarray, np.ndarray]:
        arrivals, latency = super()._closed_loop(concurrency, duration_s)
        if concurrency > 1:
            return arrivals[:20], latency[:20] + 0.5
        latency[1] = 0.5
        return arrivals[:2], latency[:2]


def test_a_closed_loop_that_stands_still_does_not_bound_the_rates_that_are_searched() -> None:
    objective = Objective("throughput", (Ceiling("p99", 0.02),))
    polling, plain = StandsStill(0.002), SimulatedServer(0.002)
    found = Meter(polling, polling, objective).measure(LOCATED_RATE).rate_per_s
    assert found == pytest.approx(Meter(plain, plain, objective).measure(LOCATED_RATE).rate_per_s, rel=0.1)


@pytest.mark.parametrize(("asleep_s", "starts"), [(20e-6, 2), (200e-6, 5)])
def test_a_queue_of_one_gets_the_same_verdict_from_every_start(asleep_s: float, starts: int) -> None:
    """Refusals become fewer slowly as the rate falls: the search steps down until some rate holds."""
    objective, found = Objective("throughput", (Ceiling("p99", 0.05),)), []
    for seed in range(starts):
        server = QueueOfOne(0.0052, asleep_s=asleep_s, seed=seed)
        measured = Meter(server, server, objective, MeasureOptions.of(1.0)).measure(ROUGH_RATE)
        assert measured.feasible, f"start {seed}: {measured.infeasible}"
        assert measured.limited_by is not None
        assert measured.limited_by.kind is LimitKind.ERRORS
        found.append(measured.rate_per_s)
    # More than (5.2 ms)^2 rate^2 / 2 = 1% of random arrivals are refused beyond 27/s, polls aside.
    assert min(found) > 10
    assert max(found) < 60
