"""The columns of a load table as reports about Triton print it: load, throughput, where the time goes, percentiles.

They are those of the tables of NVIDIA's Deep Learning Examples, which sum up perf_analyzer's verbose CSV.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autotune.load import ClosedLoop, Trace
from autotune.measurement import Breakdown, Probe, breakdown
from autotune.report._format import mean_batch

if TYPE_CHECKING:
    from autotune.measurement import SweepResult


@dataclass(frozen=True)
class Column:
    """A column of a load table.

    Attributes:
        title: Its heading, with the unit.
        read: Its value of a window and, where requests were answered, of the parts of their latency.
        unit: Seconds per unit for a time, which reads as such; 0 for other numbers.
    """

    title: str
    read: Callable[[Probe, Breakdown | None], float | str]
    unit: float = 0.0


def _part(title: str, field: str) -> Column:
    return Column(title, lambda probe, parts: getattr(parts, field) * 1e3 if parts else math.nan, 1e-3)


def _latency(name: str) -> Column:
    return Column(f"{name} latency (ms)", lambda probe, parts: probe.latency_s.get(name, math.nan) * 1e3, 1e-3)


_SLO: dict[str, str] = {"holds": "met", "fails": "violated", "invalid": "disturbed"}

COLUMNS: dict[str, Column] = {
    "throughput": Column("Inferences/Second", lambda probe, parts: probe.achieved_per_s),
    "send": _part("Client Send (ms)", "client_send_s"),
    "network": _part("Network+Server Send/Recv (ms)", "network_s"),
    "queue": _part("Server Queue (ms)", "queue_s"),
    "input": _part("Server Compute Input (ms)", "compute_input_s"),
    "infer": _part("Server Compute Infer (ms)", "compute_infer_s"),
    "output": _part("Server Compute Output (ms)", "compute_output_s"),
    "receive": _part("Client Recv (ms)", "client_receive_s"),
    **{name: _latency(name) for name in ("p50", "p90", "p95", "p99", "avg")},
    "mean_batch": Column("Mean Batch", lambda probe, parts: mean_batch(probe)),
    "requests": Column("Requests", lambda probe, parts: probe.requests - probe.failed),
    "errors": Column("Errors", lambda probe, parts: probe.failed),
    "slo": Column("SLO", lambda probe, parts: _SLO[probe.verdict]),
}
"""The columns that a table can have, by name."""


def column(name: str) -> Column:
    """A column by its name, or that of a latency statistic that a ceiling limits."""
    return COLUMNS[name] if name in COLUMNS else _latency(name)


REPORTED = tuple(list(COLUMNS)[:13])
"""Those of the reports."""

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
    names = ("Batch", load, *(COLUMNS[name].title for name in REPORTED))
    return LoadTable(names, [[probe.batch_size, load_value(probe), *values(probe)] for probe in probes])


def windows(result: SweepResult) -> Sequence[Probe]:
    """The windows that offered a load to be measured."""
    return [probe for probe in result.probes if probe.purpose not in _NO_LOADS]


def values(probe: Probe, columns: Sequence[str] = REPORTED) -> list[float | str]:
    """A window's values in these columns."""
    parts = breakdown(probe)
    return [column(name).read(probe, parts) for name in columns]


def load_value(probe: Probe) -> float | str:
    """Outstanding requests, requests (not inferences) per second, or a trace's name."""
    schedule = probe.schedule
    if isinstance(schedule, ClosedLoop):
        return schedule.concurrency
    return schedule.name if isinstance(schedule, Trace) else schedule.rate_per_s
