"""What each of several models that share a load did."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from autotune.measurement import Measurement, Probe, StreamWindow
from autotune.objective import latency_key
from autotune.report._format import latency, load_label, rate

_COLUMNS = ("avg", "p50", "p90", "p95", "p99")


def stream_lines(measured: Measurement) -> list[str]:
    """A line for each of several models in the window that decided; nothing for one model."""
    decided = measured.decided_by
    if decided is None:
        return []
    return [
        f"{each.stream.model}: {_rate(each, measured)}, {_seen(each, measured, decided)}." for each in decided.streams
    ]


def shared_rate(per_s: float, shares: dict[str, float]) -> str:
    """A rate of all models together as each one's: ``fast 2,000, slow 500``; empty for one model."""
    return ", ".join(f"{model} {rate(share * per_s)}" for model, share in shares.items())


def streams_table(probes: Sequence[Probe]) -> Table:
    """One row for each load and model."""
    table = Table(title="the models", title_justify="left", pad_edge=False, box=None)
    for name in ("load", "model"):
        table.add_column(name, no_wrap=True)
    for name in ("inferences/s", *_COLUMNS, "mean batch", "instances", "busy", "failed"):
        table.add_column(name, justify="right", no_wrap=True)
    for probe in probes:
        for each in probe.streams:
            model = each.stream.model
            latencies = [latency(probe.latency_s[latency_key(name, model)]) for name in _COLUMNS]
            counts = [f"{each.server.mean_batch_size:.1f}", str(each.stream.instances)]
            ends = [f"{each.busy(probe.duration_s):.0%}", f"{each.failed:,}"]
            table.add_row(load_label(probe), model, rate(each.achieved_per_s), *latencies, *counts, *ends)
    return table


def _rate(each: StreamWindow, measured: Measurement) -> str:
    decided = measured.decided_by
    per_s = measured.rate_per_s if measured.feasible else decided.asked_per_s if decided else 0.0
    return f"{rate(each.stream.share * per_s)} inferences/s"


def _seen(each: StreamWindow, measured: Measurement, decided: Probe) -> str:
    """Its latency beside its ceilings, its batches and how busy it was."""
    own = [ceiling for ceiling in measured.ceilings if ceiling.model == each.stream.model]
    seen = [
        f"{ceiling.statistic} {latency(decided.latency_s.get(ceiling.key))} of {latency(ceiling.limit_s)}"
        for ceiling in own
    ]
    instances = "one instance" if each.stream.instances == 1 else f"{each.stream.instances} instances"
    failed = [f"{each.failed:,} failed"] if each.failed else []
    batch = f"mean batch {each.server.mean_batch_size:.1f}"
    return ", ".join([*seen, batch, f"{instances} busy {each.busy(decided.duration_s):.0%}", *failed])
