"""What a measurement consists of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from autotune.load import ClosedLoop, Schedule
from autotune.objective import Ceiling
from autotune.server import ModelStatistics

Purpose = Literal["warm-up", "screen", "saturate", "locate", "confirm", "load"]


@dataclass(frozen=True)
class Probe:
    """One window of load on one running server.

    Attributes:
        purpose: Why it was run.
        schedule: The load that was asked for.
        started_at: Unix time of its start.
        duration_s: Length of the window.
        offered_per_s: Inferences/s scheduled.
        achieved_per_s: Inferences/s completed within the window.
        requests: Requests scheduled.
        errors: Failed or unfinished requests by kind.
        latency_s: Statistic (``p50``, ``p90``, ``p95``, ``p99``, ``avg``, and each ceiling's) to seconds.
            Failed requests count as infinite.
        late: Percentile ceiling (as text) to the fraction of requests over its limit.
        lateness_p99_s: 99th percentile of the client's dispatch lateness.
        client_cpu: CPU seconds of the client per second of its run.
        server: Triton's statistics over the window.
        kept_up: Whether the server completed what was offered (open loop), rather than queueing it up.
        holds: Whether every ceiling held and the server kept up.
        batch_size: Inferences per request; schedules count requests.
        histogram: Latency histogram as ``(upper edge in seconds, count)`` pairs, so that windows can be pooled.
    """

    purpose: Purpose
    schedule: Schedule
    started_at: float
    duration_s: float
    offered_per_s: float
    achieved_per_s: float
    requests: int
    errors: dict[str, int]
    latency_s: dict[str, float]
    late: dict[str, float]
    lateness_p99_s: float
    client_cpu: float
    server: ModelStatistics
    kept_up: bool
    holds: bool
    error_example: str = ""
    batch_size: int = 1
    histogram: tuple[tuple[float, int], ...] = field(default=(), repr=False)

    @property
    def asked_per_s(self) -> float:
        """The inferences/s that were asked for; what was carried where the loop was closed.

        A Poisson schedule offers a little more or less than it was asked for; rates are compared by this one.
        """
        if isinstance(self.schedule, ClosedLoop):
            return self.achieved_per_s
        return self.schedule.rate_per_s * self.batch_size

    @property
    def failed(self) -> int:
        """Requests that failed or were unfinished at the deadline."""
        return sum(self.errors.values())


@dataclass(frozen=True)
class Measurement:
    """What one config carries under the objective.

    Attributes:
        feasible: Whether every ceiling was kept at ``rate_per_s`` by the confirming probe.
        rate_per_s: The highest inferences/s found to keep every ceiling; 0 where none did.
        first_failing_per_s: The lowest rate above it that was seen to fail; None where none was.
        latency_s: Latencies of the probe that decided: at ``rate_per_s`` where feasible, else the nearest miss.
        ceilings: What was promised.
        violations: Ceiling (as text) to how far it was missed, as (value / limit) - 1, and ``rate`` to the
            fraction of the offered rate that was not carried; <= 0 is kept. ``lost`` is the fraction of
            requests that were never answered, where that leaves the optimised latency without a value.
        decided_by: The probe that decided; None where an interruption came first.
        probes: Every probe, in order.
        seconds: Wall time of the measurement.
    """

    feasible: bool
    rate_per_s: float
    first_failing_per_s: float | None
    latency_s: dict[str, float]
    ceilings: tuple[Ceiling, ...]
    violations: dict[str, float]
    decided_by: Probe | None
    probes: tuple[Probe, ...]
    seconds: float
