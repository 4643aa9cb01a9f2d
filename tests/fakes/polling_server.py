"""A server with a queue policy, simulated: its batcher sleeps now and then though a request waits.

Triton 2.51 does not wake the batcher for a request that arrives between the end of an execution and the moment at which
the instance waits for the next one. With a queue policy it then sleeps until its poll, 500 ms after it fell asleep
(`dynamic_batch_scheduler.cc`, `rate_limiter.cc`; 4% of requests sent one by one). Who comes meanwhile wakes it,
unless a full queue refuses the newcomer first.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from simulated_server import SimulatedServer, stopped_s

from autotune.load import ClosedLoop, LoadResult, Schedule, Watch
from autotune.server import ModelStatistics

POLL_S = 0.5
_CLIENT_S = 150e-6  # between an answer and the closed loop's next request


@dataclass
class QueueOfOne(SimulatedServer):
    """One instance, requests one by one, and a queue that holds one request; a full queue refuses the next.

    Attributes:
        asleep_s: Mean time after an execution in which an arrival does not wake the batcher.
        seed: Of those times.
    """

    asleep_s: float = 50e-6
    seed: int = 0
    served: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.seed)

    def model_config(self, model: str = "") -> dict[str, Any]:
        return {**super().model_config(), "dynamic_batching": {"default_queue_policy": {"max_queue_size": 1}}}

    def statistics(self, model: str = "") -> ModelStatistics:
        busy_ns = round(self.served * self.service_s * 1e9)
        return ModelStatistics(
            success_count=self.served,
            execution_count=self.served,
            batch_executions={1: self.served} if self.served else {},
            batch_compute_ns={1: busy_ns} if self.served else {},
        )

    def run(self, schedule: Schedule, duration_s: float, timeout_s: float, watch: Watch | None = None) -> LoadResult:
        self.runs.append(schedule)
        arrivals, latency = map(np.array, zip(*sorted(self._requests(schedule, duration_s)), strict=True))
        ended_s = stopped_s(watch, arrivals, latency, duration_s)
        if ended_s is not None:
            duration_s, latency, arrivals = ended_s, latency[arrivals <= ended_s], arrivals[arrivals <= ended_s]
        refused = int(np.isinf(latency).sum())
        self.served += len(latency) - refused
        return LoadResult(
            schedule=schedule,
            duration_s=duration_s,
            elapsed_s=duration_s,
            batch_size=1,
            scheduled_s=arrivals,
            latency_s=latency,
            lateness_s=np.zeros(len(arrivals)),
            errors={"http 503": refused} if refused else {},
            error_example="http 503: Exceeds maximum queue size" if refused else "",
            client_cpu_s=0.0,
            stopped=ended_s is not None,
        )

    def _requests(self, schedule: Schedule, duration_s: float) -> Iterator[tuple[float, float]]:
        """Arrival and latency of each request, infinite for those that are refused."""
        closed = isinstance(schedule, ClosedLoop)
        coming = [0.0] * schedule.concurrency if closed else self._arrivals(schedule, duration_s).tolist()
        heapq.heapify(coming)
        free_at, deaf_until = 0.0, 0.0
        waiting_until = -math.inf  # the instance takes the request that waits
        while coming:
            arrival = heapq.heappop(coming)
            if arrival < waiting_until:
                ended, latency = arrival, math.inf
            else:
                if arrival < free_at:
                    begins = waiting_until = free_at
                elif arrival < deaf_until:
                    begins = waiting_until = free_at + POLL_S
                else:
                    begins = arrival
                free_at = ended = begins + self.service_s
                deaf_until = free_at + self._random.exponential(self.asleep_s)
                latency = ended - arrival
            if closed and ended + _CLIENT_S < duration_s:
                heapq.heappush(coming, ended + _CLIENT_S * self._random.uniform(0.7, 1.3))
            yield arrival, latency
