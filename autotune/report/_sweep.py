"""The table of a sweep: what perf_analyzer's users know, with the server's split beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from autotune.load import ClosedLoop
from autotune.report._format import latency, rate, wide_console

if TYPE_CHECKING:
    from autotune.api import SweepResult
    from autotune.measurement import Probe
    from autotune.server import ModelStatistics

_SERVER_COLUMNS = {
    "queue": "queue_ns",
    "input": "compute_input_ns",
    "infer": "compute_infer_ns",
    "output": "compute_output_ns",
}


def sweep_table(result: SweepResult, console: Console | None = None) -> None:
    """Prints one row a window: client percentiles, then the server's mean times per request."""
    console = console or wide_console()
    table = Table(title=f"{result.model} over {result.protocol}", title_justify="left", pad_edge=False, box=None)
    for name in ("load", "inferences/s", "avg", "p50", "p90", "p95", "p99", *_SERVER_COLUMNS, "mean batch", "errors"):
        table.add_column(name, justify="left" if name == "load" else "right")
    if result.ceilings:
        table.add_column("promise")
    for probe in result.probes:
        table.add_row(*_row(probe, with_promise=bool(result.ceilings)))
    console.print(table)
    console.print(
        "Latencies are the client's, from the scheduled send at a rate; queue, input, infer and output are the"
        " server's means per request; mean batch is the size of the batches it formed.",
        style="dim",
        soft_wrap=True,
    )
    examples = {probe.error_example for probe in result.probes if probe.error_example}
    for example in sorted(examples):
        console.print(Text(f"error: {example}", style="red"), soft_wrap=True)


def server_means_s(statistics: ModelStatistics) -> dict[str, float]:
    """The server's mean seconds per successful request: queue, compute input, infer, output."""
    requests = statistics.success_count
    return {
        name: getattr(statistics, field) / requests / 1e9 if requests else float("nan")
        for name, field in _SERVER_COLUMNS.items()
    }


def _row(probe: Probe, with_promise: bool) -> list[str | Text]:
    load = (
        f"concurrency {probe.schedule.concurrency}"
        if isinstance(probe.schedule, ClosedLoop)
        else f"rate {rate(probe.schedule.rate_per_s * probe.batch_size)}/s"
    )
    row: list[str | Text] = [
        load,
        rate(probe.achieved_per_s),
        *(latency(probe.latency_s[name]) for name in ("avg", "p50", "p90", "p95", "p99")),
        *(latency(value) for value in server_means_s(probe.server).values()),
        f"{probe.server.mean_batch_size:.1f}",
        _errors(probe),
    ]
    if with_promise:
        row.append(Text("kept", style="green") if probe.holds else Text("broken", style="red"))
    return row


def _errors(probe: Probe) -> str | Text:
    if not probe.errors:
        return "0"
    kinds = ", ".join(f"{count} {kind}" for kind, count in probe.errors.items())
    return Text(kinds, style="red")
