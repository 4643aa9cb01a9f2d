"""The table of a sweep: what perf_analyzer's users know, with the server's split beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from autotune.load import OWN_CLIENT
from autotune.measurement import breakdown
from autotune.objective import FIRST_RESPONSE
from autotune.report._format import latency, load_label, mean_batch, rate, wide_console
from autotune.report._measurement import measurement_lines
from autotune.report._reasons import batches_kept_small, disturbance, from_cache, queue_size
from autotune.report._steps import bottleneck, steps_table
from autotune.report._streams import streams_table
from autotune.repository import ModelConfig, queue_limit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autotune.measurement import Probe, SweepResult

_WIDE = 150  # columns; both sides fit in one row from there
_CLIENT_COLUMNS = ("avg", "p50", "p90", "p95", "p99")
_PARTS = {
    "send": "client_send_s",
    "network": "network_s",
    "queue": "queue_s",
    "input": "compute_input_s",
    "infer": "compute_infer_s",
    "output": "compute_output_s",
    "receive": "client_receive_s",
}


def sweep_table(result: SweepResult, console: Console | None = None) -> None:
    """Prints one row a window: client percentiles, then where a request's mean time goes.

    They stand below each other where the console is too narrow for one row. Where no load was given, what the
    config sustains stands below.
    """
    console = console or wide_console()
    limited = tuple(
        each.statistic
        for each in result.ceilings
        if each.statistic not in _CLIENT_COLUMNS and not each.of_first_response
    )

    def client_cells(probe: Probe, has_slo: bool) -> list[str | Text]:
        latencies = (latency(probe.latency_s.get(name)) for name in (*_CLIENT_COLUMNS, *limited))
        return [rate(probe.achieved_per_s), *latencies]

    groups = (
        (f"{result.model} over {result.protocol}", ("inferences/s", *_CLIENT_COLUMNS, *limited), client_cells),
        ("where the mean latency goes", tuple(_PARTS), _part_cells),
        ("the server", ("mean batch", "errors", *(("SLO",) if result.ceilings else ())), _server_cells),
    )
    has_slo = bool(result.ceilings)
    if console.width >= _WIDE:
        columns = [name for _, names, _ in groups for name in names]
        rows = [
            [load_label(probe), *(cell for *_, cells in groups for cell in cells(probe, has_slo))]
            for probe in result.probes
        ]
        console.print(_table(groups[0][0], ("load", *columns), rows))
    else:
        for title, names, cells in groups:
            rows = [[load_label(probe), *cells(probe, has_slo)] for probe in result.probes]
            console.print(_table(title, ("load", *names), rows))
            console.print()
    _print_steps(result, console)
    sent = "scheduled" if result.client == OWN_CLIENT else "actual"
    console.print(
        f"Latencies are measured by the client, at a rate from the {sent} send. Parts are means per request: send and"
        " receive of the client; queue, input, infer and output of the server; network is the rest. Mean batch is the"
        f" mean size of the batches that the server formed.{_of_the_model(result)}",
        style="dim",
        soft_wrap=True,
    )
    if any(probe.first_response_s for probe in result.probes):
        console.print(_first_responses(result))
    if result.measurement is not None:
        for line in measurement_lines(result.measurement):
            console.print(line, soft_wrap=True, highlight=False)
    if result.measurement is None:
        for line in map(_noted, result.probes):
            if line:
                console.print(line, soft_wrap=True, style="yellow")
    if result.kept_apart is not None:
        console.print(batches_kept_small(result.kept_apart), soft_wrap=True, highlight=False)
    if result.interrupted:
        console.print("Interrupted: only finished windows are shown.", style="yellow")
    examples = {probe.error_example for probe in result.probes if probe.error_example}
    for example in sorted(examples):
        console.print(Text(f"error: {example}{_full_queue(result)}", style="red"), soft_wrap=True)


def _full_queue(result: SweepResult) -> str:
    """What to change if the server refuses requests because its queue is full."""
    if not any(probe.refused for probe in result.probes):
        return ""
    return queue_size(*queue_limit(ModelConfig.parse(result.config_text, "the served config").to_json()))


def _print_steps(result: SweepResult, console: Console) -> None:
    """The steps or called models at each load, and the bottleneck; each of several models at each load."""
    if result.measurement is None and any(probe.streams for probe in result.probes):
        console.print(streams_table(result.probes))
    pipelines = [(probe, parts) for probe in result.probes if (parts := breakdown(probe)) and parts.parts]
    if not pipelines or result.measurement is not None:
        return
    console.print(steps_table(result.probes))
    for probe, parts in pipelines:
        console.print(f"Bottleneck at {load_label(probe)}: {bottleneck(parts)}.", soft_wrap=True, highlight=False)


def _noted(probe: Probe) -> str:
    """What besides the model decided a window, and what disturbed it; empty if nothing did."""
    noted = [from_cache(probe.server)] if from_cache(probe.server) else []
    if probe.invalid:
        noted.append(f"disturbed, because {'; '.join(map(disturbance, probe.invalid))}")
    return f"{load_label(probe)}: {'; '.join(noted)}." if noted else ""


def _of_the_model(result: SweepResult) -> str:
    """What is particular about the parts of an ensemble's or a decoupled model's latency."""
    if any(probe.decoupled for probe in result.probes):
        return " For a decoupled model, infer ends with the first response; receive lasts from there to the last one."
    if any(probe.steps for probe in result.probes):
        return " For an ensemble, the parts are sums over the steps of its slowest path."
    return ""


def _first_responses(result: SweepResult) -> Table:
    limited = [each.statistic for each in result.ceilings if each.of_first_response]
    columns = dict.fromkeys((*_CLIENT_COLUMNS, *(name.removeprefix(FIRST_RESPONSE) for name in limited)))
    rows = [
        [load_label(probe), *(latency(probe.first_response_s.get(name)) for name in columns)]
        for probe in result.probes
        if probe.first_response_s
    ]
    return _table("latency until the first response", ("load", *columns), rows)


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> Table:
    table = Table(title=title, title_justify="left", pad_edge=False, box=None)
    for name in columns:
        table.add_column(name, justify="left" if name in ("load", "SLO") else "right", no_wrap=name != "errors")
    for row in rows:
        table.add_row(*row)
    return table


def _part_cells(probe: Probe, has_slo: bool) -> list[str | Text]:
    parts = breakdown(probe)
    return [latency(getattr(parts, field) if parts else None) for field in _PARTS.values()]


def _server_cells(probe: Probe, has_slo: bool) -> list[str | Text]:
    cells: list[str | Text] = [mean_batch(probe), _errors(probe)]
    if has_slo:
        met = Text("met", style="green") if probe.holds else Text("violated", style="red")
        cells.append(Text("disturbed", style="yellow") if probe.invalid and not probe.holds else met)
    return cells


def _errors(probe: Probe) -> str | Text:
    if not probe.errors:
        return "0"
    kinds = ", ".join(f"{count} {kind}" for kind, count in probe.errors.items())
    return Text(kinds, style="red")
