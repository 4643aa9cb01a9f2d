"""The table of a sweep: what perf_analyzer's users know, with the server's split beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from autotune.report._format import latency, load_label, rate, wide_console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autotune.measurement import Probe, SweepResult
    from autotune.server import ModelStatistics

_WIDE = 120  # columns; both sides fit in one row from there
_CLIENT_COLUMNS = ("avg", "p50", "p90", "p95", "p99")
_SERVER_COLUMNS = {
    "queue": "queue_ns",
    "input": "compute_input_ns",
    "infer": "compute_infer_ns",
    "output": "compute_output_ns",
}


def sweep_table(result: SweepResult, console: Console | None = None) -> None:
    """Prints one row a window: client percentiles, then the server's mean times per request.

    The two halves stand below each other where the console is too narrow for one row.
    """
    console = console or wide_console()
    client = ("load", "inferences/s", *_CLIENT_COLUMNS)
    server = (*_SERVER_COLUMNS, "mean batch", "errors", *(("promise",) if result.ceilings else ()))
    rows = [(_client_cells(probe), _server_cells(probe, bool(result.ceilings))) for probe in result.probes]
    title = f"{result.model} over {result.protocol}"
    if console.width >= _WIDE:
        console.print(_table(title, (*client, *server), [(*seen, *told) for seen, told in rows]))
    else:
        console.print(_table(f"{title}: the client's side", client, [seen for seen, _ in rows]))
        console.print()
        console.print(_table("the server's side", ("load", *server), [(seen[0], *told) for seen, told in rows]))
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


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> Table:
    table = Table(title=title, title_justify="left", pad_edge=False, box=None)
    for name in columns:
        table.add_column(name, justify="left" if name in ("load", "promise") else "right", no_wrap=name != "errors")
    for row in rows:
        table.add_row(*row)
    return table


def _client_cells(probe: Probe) -> list[str | Text]:
    return [
        load_label(probe),
        rate(probe.achieved_per_s),
        *(latency(probe.latency_s[name]) for name in _CLIENT_COLUMNS),
    ]


def _server_cells(probe: Probe, with_promise: bool) -> list[str | Text]:
    cells: list[str | Text] = [
        *(latency(value) for value in server_means_s(probe.server).values()),
        f"{probe.server.mean_batch_size:.1f}",
        _errors(probe),
    ]
    if with_promise:
        cells.append(Text("kept", style="green") if probe.holds else Text("broken", style="red"))
    return cells


def _errors(probe: Probe) -> str | Text:
    if not probe.errors:
        return "0"
    kinds = ", ".join(f"{count} {kind}" for kind, count in probe.errors.items())
    return Text(kinds, style="red")
