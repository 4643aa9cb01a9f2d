"""A measurement as perf_analyzer sums it up: one line for each load, with its throughput and mean latency."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from autotune.load import ClosedLoop, Trace
from autotune.report._load_columns import windows

if TYPE_CHECKING:
    from autotune.measurement import Probe, SweepResult


def sweep(result: SweepResult) -> str:
    """``Concurrency: 8, throughput: 2867.45 infer/sec, latency 2785 usec``; several batch sizes are named."""
    probes = windows(result)
    several = len({probe.batch_size for probe in probes}) > 1
    return "".join(
        f"{f'Batch size: {probe.batch_size}, ' if several else ''}{load_name(probe)},"
        f" throughput: {probe.achieved_per_s:.2f} infer/sec, latency {microseconds(probe.latency_s['avg'])}\n"
        for probe in probes
    )


def load_name(probe: Probe) -> str:
    """The load in perf_analyzer's words; a request rate counts requests, not inferences."""
    if isinstance(probe.schedule, ClosedLoop):
        return f"Concurrency: {probe.schedule.concurrency}"
    if isinstance(probe.schedule, Trace):
        return f"Request Intervals: {probe.schedule.name}"
    return f"Request Rate: {probe.schedule.rate_per_s:.2f}"


def microseconds(seconds: float) -> str:
    """A latency as perf_analyzer prints it; ``lost`` where requests were never answered."""
    if math.isnan(seconds):
        return "-"
    return "lost" if math.isinf(seconds) else f"{seconds * 1e6:.0f} usec"
