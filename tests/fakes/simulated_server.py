"""A server and its client in one, simulated exactly: a single FIFO server with a fixed service time.

Latencies follow Lindley's recursion, so that the rate at which a ceiling breaks is known without a server.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from autotune.load import (
    BLOCK_S,
    ClosedLoop,
    ConstantRate,
    LoadResult,
    PoissonRate,
    Progress,
    Schedule,
    SpacedRate,
    Watch,
)
from autotune.server import Endpoint, ModelStatistics, ServerCrashed


@dataclass
class SimulatedServer:
    """Serves one request at a time, each in ``service_s``; the first ``cold_requests`` take ten times as long.

    Without ``answers`` each request is an error."""

    service_s: float = 0.001
    cold_requests: int = 0
    crash_at_probe: int | None = None
    answers: bool = True
    endpoint: Endpoint = field(default_factory=lambda: Endpoint("127.0.0.1", 1, 2))
    startup_s: float = 0.1
    log_path: Path | None = None
    protocol: str = "simulated"
    pid: int | None = None
    runs: list[Schedule] = field(default_factory=list)
    succeeded: int = 0
    failed: int = 0

    def metadata(self) -> dict[str, object]:
        return {"name": "simulated"}

    def model_metadata(self, model: str = "") -> dict[str, object]:
        return {}

    def model_config(self, model: str = "") -> dict[str, object]:
        return {"max_batch_size": 1, "instance_group": [{"count": 1}]}

    def statistics(self, model: str = "") -> ModelStatistics:
        return ModelStatistics(success_count=self.succeeded, fail_count=self.failed)

    @property
    def model_died(self) -> bool:
        return False

    def check_alive(self) -> None:
        if self.crash_at_probe is not None and len(self.runs) > self.crash_at_probe:
            raise ServerCrashed("killed by signal 9")

    def usage(self) -> None:
        return None

    def run(self, schedule: Schedule, duration_s: float, timeout_s: float, watch: Watch | None = None) -> LoadResult:
        self.runs.append(schedule)
        if isinstance(schedule, ClosedLoop):
            arrivals, latency = self._closed_loop(schedule.concurrency, duration_s)
        else:
            arrivals, latency = self._open_loop(schedule, duration_s)
        self.cold_requests = max(0, self.cold_requests - len(arrivals))
        ended_s = stopped_s(watch, arrivals, latency, duration_s)
        if ended_s is not None:
            duration_s = ended_s
            latency = latency[arrivals <= duration_s]
            arrivals = arrivals[arrivals <= duration_s]
        lost = arrivals + latency > duration_s + timeout_s
        lost |= not self.answers
        if self.answers:
            self.succeeded += len(latency)  # what the client gives up is executed all the same
        else:
            self.failed += len(latency)
        latency[lost] = np.inf
        return LoadResult(
            schedule=schedule,
            duration_s=duration_s,
            elapsed_s=duration_s,
            batch_size=1,
            scheduled_s=arrivals,
            latency_s=latency,
            lateness_s=np.zeros(len(arrivals)),
            errors={"timeout" if self.answers else "http 500": int(lost.sum())} if lost.any() else {},
            error_example="" if self.answers else "out of cheese",
            client_cpu_s=0.0,
            stopped=ended_s is not None,
        )

    def close(self) -> None: ...

    def _services_s(self, requests: int) -> np.ndarray:
        """How long each of the next requests takes."""
        service = np.full(requests, self.service_s)
        service[: self.cold_requests] *= 10
        return service

    def _open_loop(self, schedule: Schedule, duration_s: float) -> tuple[np.ndarray, np.ndarray]:
        arrivals = self._arrivals(schedule, duration_s)
        latency = np.empty(len(arrivals))
        free_at = 0.0
        for index, (arrival, needs) in enumerate(zip(arrivals, self._services_s(len(arrivals)), strict=True)):
            free_at = max(arrival, free_at) + needs
            latency[index] = free_at - arrival
        return arrivals, latency

    def _closed_loop(self, concurrency: int, duration_s: float) -> tuple[np.ndarray, np.ndarray]:
        """Each answer within the window makes room for the next request; those sent by then are all answered."""
        finished = self._services_s(concurrency + math.ceil(duration_s / self.service_s)).cumsum()
        arrivals = np.concatenate([np.zeros(concurrency), finished])[: len(finished)]
        sent = arrivals < duration_s
        return arrivals[sent], (finished - arrivals)[sent]

    def _arrivals(self, schedule: Schedule, duration_s: float) -> np.ndarray:
        if isinstance(schedule, SpacedRate):
            return schedule.arrivals(duration_s)
        if isinstance(schedule, ConstantRate):
            return np.arange(0, duration_s, 1 / schedule.rate_per_s)
        assert isinstance(schedule, PoissonRate)
        rng = np.random.default_rng(schedule.seed)
        count = rng.poisson(schedule.rate_per_s * duration_s)
        return np.sort(rng.uniform(0, duration_s, count))


def stopped_s(watch: Watch | None, arrivals: np.ndarray, latency: np.ndarray, duration_s: float) -> float | None:
    """When the watch ended the window, told every block as by a real generator; None where it did not."""
    if watch is None:
        return None
    definite = 0
    wait_s = max(watch.limits_s, default=0.0)
    for now_s in np.arange(BLOCK_S, duration_s, BLOCK_S):
        requests, late = [], [[] for _ in watch.limits_s]
        while (definite + 1) * BLOCK_S + wait_s <= now_s + 1e-9:
            inside = (arrivals >= definite * BLOCK_S) & (arrivals < (definite + 1) * BLOCK_S)
            requests.append(int(inside.sum()))
            for limit_s, counts in zip(watch.limits_s, late, strict=True):
                counts.append(int((latency[inside] > limit_s).sum()))
            definite += 1
        pending = int(((arrivals <= now_s) & (arrivals + latency > now_s)).sum())
        if watch.on_progress(Progress(float(now_s), tuple(requests), tuple(map(tuple, late)), pending)):
            return float(now_s)
    return None
