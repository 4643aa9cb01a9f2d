"""The columns of a load table as reports about Triton print it: load, throughput, where the time goes, percentiles.

They are those of the tables of NVIDIA's Deep Learning Examples, which sum up perf_analyzer's verbose CSV.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autotune.load import ClosedLoop, Trace
from autotune.measurement import breakdown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autotune.measurement import Probe, SweepResult

_PARTS = {
    "Client Send (ms)": "client_send_s",
    "Network+Server Send/Recv (ms)": "network_s",
    "Server Queue (ms)": "queue_s",
    "Server Compute Input (ms)": "compute_input_s",
    "Server Compute Infer (ms)": "compute_infer_s",
    "Server Compute Output (ms)": "compute_output_s",
    "Client Recv (ms)": "client_receive_s",
}
_LATENCIES = ("p50", "p90", "p95", "p99", "avg")
_NO_LOADS = ("warm-up", "sizes")


@dataclass(frozen=True)
class LoadTable:
    """A row for each window.

    Attributes:
        columns: Their names.
        rows: Batch size, load, inferences/s, then milliseconds; NaN where nothing was answered, infinite where requests
            were lost.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[float | str]]


def load_table(result: SweepResult) -> LoadTable:
    """The table of a measurement, without warm-ups."""
    probes = windows(result)
    load = "Concurrency" if all(probe.concurrency is not None for probe in probes) else "Request Rate"
    names = ("Batch", load, "Inferences/Second", *_PARTS, *(f"{name} latency (ms)" for name in _LATENCIES))
    return LoadTable(names, [_row(probe) for probe in probes])


def windows(result: SweepResult) -> Sequence[Probe]:
    """The windows that offered a load to be measured."""
    return [probe for probe in result.probes if probe.purpose not in _NO_LOADS]


def _row(probe: Probe) -> list[float | str]:
    parts = breakdown(probe)
    spent = [getattr(parts, field) * 1e3 if parts else math.nan for field in _PARTS.values()]
    latencies = [probe.latency_s[name] * 1e3 for name in _LATENCIES]
    return [probe.batch_size, _load(probe), probe.achieved_per_s, *spent, *latencies]


def _load(probe: Probe) -> float | str:
    """Outstanding requests, requests (not inferences) per second, or a trace's name."""
    schedule = probe.schedule
    if isinstance(schedule, ClosedLoop):
        return schedule.concurrency
    return schedule.name if isinstance(schedule, Trace) else schedule.rate_per_s
