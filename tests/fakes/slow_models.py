"""Models of any speed behind Triton's batcher, simulated, on a clock that only they move."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from simulated_server import SimulatedServer

from autotune.load import ClosedLoop, LoadResult, Schedule, Traffic, Watch
from autotune.measurement import Served
from autotune.repository import ConfigSet, ServedSet
from autotune.repository._served import ServedConfig
from autotune.server import ModelStatistics
from autotune.simulator import Batching, ServiceTimes, simulate
from autotune.simulator._draws import Draws
from autotune.simulator._stage import Stage
from autotune.simulator._window import Runner

STARTUP_S = 1.5
LARGEST = 64


@dataclass
class Clock:
    """Seconds, as the servers spend them."""

    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


def slow_model(item_s: float, shared: float = 0.02, fixed: float = 0.0) -> ServiceTimes:
    """A request takes ``item_s``, whatever its batch: four instances sustain about 3.7 times what one does."""
    items = np.arange(1, LARGEST + 1) + fixed
    overhead_s = np.full(10, 0.0005)
    return ServiceTimes(items * item_s * (1 - shared), items * item_s * shared, overhead_s, np.ones(1)).varying(0.02)


class SlowServer(SimulatedServer):
    """One config of such a model."""

    def __init__(self, batching: Batching, service: ServiceTimes, clock: Clock) -> None:
        super().__init__(service_s=float((service.host_s + service.device_s)[0]))
        self.startup_s = STARTUP_S
        self.batching = batching
        self.service = service
        self.executions: dict[int, int] = {}
        self.compute_ns: dict[int, int] = {}
        self._clock = clock

    def model_config(self, model: str = "") -> dict[str, object]:
        return {
            "max_batch_size": self.batching.max_batch_size,
            "instance_group": [{"count": self.batching.instances}],
        }

    def statistics(self, model: str = "") -> ModelStatistics:
        return ModelStatistics(
            success_count=self.succeeded,
            inference_count=sum(size * count for size, count in self.executions.items()),
            execution_count=sum(self.executions.values()),
            batch_executions=dict(self.executions),
            batch_compute_ns=dict(self.compute_ns),
        )

    def run(self, schedule: Schedule, duration_s: float, timeout_s: float, watch: Watch | None = None) -> LoadResult:
        result = super().run(schedule, duration_s, timeout_s, watch)
        latency_s = np.where(np.isfinite(result.latency_s), result.latency_s, timeout_s)
        last_s = float((result.scheduled_s + latency_s).max()) if result.requests else 0.0
        self._clock.now_s += max(result.duration_s, last_s)
        return result

    def executed(self, size: int, count: int = 1) -> float:
        """Counts executions; seconds that one takes."""
        seconds = float(self.service.host_s[size - 1] + self.service.device_s[size - 1])
        self.executions[size] = self.executions.get(size, 0) + count
        self.compute_ns[size] = self.compute_ns.get(size, 0) + round(1e9 * count * seconds)
        return seconds

    def _open_loop(self, schedule: Schedule, duration_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        arrivals_s = self._arrivals(schedule, duration_s)
        simulated = simulate(self.batching, self.service, arrivals_s, seed=len(self.runs))
        for size, count in simulated.batch_executions.items():
            self.executed(size, count)
        return arrivals_s, simulated.latency_s.copy()

    def _closed_loop(self, concurrency: int, duration_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Every request that was sent within the window is answered."""
        most = concurrency + int(2 * duration_s * self.batching.instances / float(self.service.host_s[0])) + 1
        service = self.service.up_to(self.batching.max_batch_size)
        for _ in range(2):  # the first run shows how many requests are sent in time
            runner = Runner([Stage(self.batching, service)], [Draws.of(service, most, len(self.runs))])
            sent_s = np.full(most, np.inf)
            sent_s[:concurrency] = 0.0
            runner.run(sent_s, 1.0, concurrency=concurrency)
            most = max(1, int(np.count_nonzero(sent_s < duration_s)))
        for size in np.flatnonzero(runner.executions[0]).tolist():
            self.executed(size, int(runner.executions[0, size]))
        return sent_s[:most], runner.latency_s[:most].copy()


@dataclass
class SizedClient:
    """Sends requests of these sizes in turn, one at a time."""

    server: SlowServer
    sizes: Sequence[int]
    protocol: str = "simulated"

    def run(self, schedule: Schedule, duration_s: float, timeout_s: float, watch: Watch | None = None) -> LoadResult:
        assert schedule == ClosedLoop(1)
        sent_s, latency_s, now_s = [], [], 0.0
        for size in itertools.cycle(self.sizes):
            sent_s.append(now_s)
            latency_s.append(self.server.executed(size))
            now_s += latency_s[-1]
            if now_s >= duration_s:
                break
        self.server.succeeded += len(sent_s)
        self.server._clock.now_s += now_s
        zeros = np.zeros(len(sent_s))
        return LoadResult(schedule, duration_s, now_s, 1, np.array(sent_s), np.array(latency_s), zeros)

    def close(self) -> None: ...


@dataclass
class SlowDeployment:
    """Stands for `autotune.measurement.Deployment`; serving takes ``STARTUP_S``, comparing answers 5 requests."""

    service: ServiceTimes
    clock: Clock = field(default_factory=Clock)
    traffic: Traffic = field(default_factory=Traffic)

    @contextmanager
    def serve(self, configs: ConfigSet, log_path: Path) -> Iterator[Served]:
        batching = Batching.of(configs.asked)
        assert batching is not None
        server = SlowServer(batching, self.service, self.clock)
        self.clock.now_s += STARTUP_S + 5 * server.service_s
        served = ServedSet((ServedConfig(configs.asked, (), configs.asked.to_text()),))
        yield Served(server, server, served, sized=lambda sizes: SizedClient(server, sizes))
