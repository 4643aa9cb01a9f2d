"""A server and its client in one, simulated exactly: a single FIFO server with a fixed service time.

Latencies follow Lindley's recursion, so that the rate at which a ceiling breaks is known without a server.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from autotune.load import ClosedLoop, ConstantRate, LoadResult, PoissonRate, Schedule
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
    runs: list[Schedule] = field(default_factory=list)

    def metadata(self) -> dict[str, object]:
        return {"name": "simulated"}

    def model_metadata(self) -> dict[str, object]:
        return {}

    def model_config(self) -> dict[str, object]:
        return {"max_batch_size": 1, "instance_group": [{"count": 1}]}

    def statistics(self) -> ModelStatistics:
        return ModelStatistics()

    def check_alive(self) -> None:
        if self.crash_at_probe is not None and len(self.runs) > self.crash_at_probe:
            raise ServerCrashed("killed by signal 9")

    def run(self, schedule: Schedule, duration_s: float, timeout_s: float) -> LoadResult:
        self.runs.append(schedule)
        arrivals = self._arrivals(schedule, duration_s)
        service = np.full(len(arrivals), self.service_s)
        cold = min(self.cold_requests, len(service))
        service[:cold] *= 10
        self.cold_requests -= cold
        latency = np.empty(len(arrivals))
        free_at = 0.0
        for index, (arrival, needs) in enumerate(zip(arrivals, service, strict=True)):
            free_at = max(arrival, free_at) + needs
            latency[index] = free_at - arrival
        if isinstance(schedule, ClosedLoop):
            latency = np.full(len(arrivals), self.service_s * schedule.concurrency)
            latency[:cold] *= 10
        lost = arrivals + latency > duration_s + timeout_s
        lost |= not self.answers
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
        )

    def close(self) -> None: ...

    def _arrivals(self, schedule: Schedule, duration_s: float) -> np.ndarray:
        if isinstance(schedule, ClosedLoop):
            return np.arange(0, duration_s - self.service_s, self.service_s)
        if isinstance(schedule, ConstantRate):
            return np.arange(0, duration_s, 1 / schedule.rate_per_s)
        assert isinstance(schedule, PoissonRate)
        rng = np.random.default_rng(schedule.seed)
        count = rng.poisson(schedule.rate_per_s * duration_s)
        return np.sort(rng.uniform(0, duration_s, count))
