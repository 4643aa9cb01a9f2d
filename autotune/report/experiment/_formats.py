"""What ``autotune experiment`` prints: one function for each format."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from autotune.errors import UsageError
from autotune.measurement import SweepResult
from autotune.report import _sweep_lines, _sweep_perf_analyzer
from autotune.report._format import latency, rate, wide_console
from autotune.report._json import HIDDEN, dumps, plain
from autotune.report._load_columns import COLUMNS, REPORTED, LoadTable, column
from autotune.report._reasons import batches_kept_small
from autotune.report._steps import steps_table
from autotune.report._sweep_csv import csv_lines
from autotune.report._sweep_markdown import markdown_lines
from autotune.report.experiment._bottlenecks import bottleneck_lines
from autotune.report.experiment._table import (
    SHORT,
    error_lines,
    rounds_table,
    typical_rounds,
    typical_table,
    with_failures,
)
from autotune.report.experiment._verdict import verdict_of
from autotune.search.experiment import ExperimentResult

Columns = Sequence[str] | None
_TEXTS = ("Variant", "Client", "SLO")


def check_printed(formats: Sequence[str], columns: Columns, error: Callable[[str, str], UsageError]) -> None:
    """Raises an unknown format or column.

    Args:
        formats: The formats.
        columns: The columns; None for those of each format.
        error: Makes the error of a section of the file (``print`` or ``columns``).
    """
    for section, names, known in (("print", formats, EXPERIMENT_FORMATS), ("columns", columns or (), COLUMNS)):
        if unknown := next((name for name in names if name not in known), None):
            raise error(section, f"{unknown!r} is unknown; use {', '.join(known)}")


def print_experiment(result: ExperimentResult, formats: Sequence[str], columns: Columns = None) -> str:
    """The experiment in each format, one after the other.

    Raises:
        UsageError: An unknown format.
    """
    for name in formats:
        if name not in EXPERIMENT_FORMATS:
            raise UsageError(f"--format: {name!r} is unknown; use {', '.join(EXPERIMENT_FORMATS)}")
    return "\n".join(EXPERIMENT_FORMATS[name](result, columns) for name in formats)


def _table(result: ExperimentResult, columns: Columns) -> str:
    """A table for a person, the steps of ensembles, and the verdict."""
    console = wide_console()
    with console.capture() as captured:
        if result.about:
            console.print(Text(result.about, style="italic"), soft_wrap=True)
        chosen = tuple(columns or with_failures(result, SHORT))
        console.print(_rich(typical_table(result, chosen), chosen))
        if result.round_count > 1:
            console.print(f"The table shows {typical_rounds(result)}.", style="dim")
        _print_steps(result, console)
        for line in (*verdict_of(result), *error_lines(result)):
            console.print(line, soft_wrap=True, highlight=False, markup=False)
        for each in result.entrants:
            if each.kept_apart is not None:
                console.print(f"{each.name}: {batches_kept_small(each.kept_apart)}", soft_wrap=True, highlight=False)
    return captured.get()


def _print_steps(result: ExperimentResult, console: Console) -> None:
    lines = bottleneck_lines(result)
    if not lines:
        return
    for entrant in result.entrants:
        last = result.sweep(entrant).probes[-1:]
        if last and (last[0].steps or last[0].called):
            table = steps_table(last)
            table.title = f"{table.title} of {entrant.name}"
            console.print(table)
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _rich(table: LoadTable, columns: Sequence[str]) -> Table:
    shown = Table(title_justify="left", pad_edge=False, box=None)
    names = len(table.columns) - len(columns)
    for index, title in enumerate(table.columns):
        plain_title = title.removesuffix(" (ms)").removesuffix(" latency")
        shown.add_column(plain_title, justify="left" if title in _TEXTS else "right", overflow="fold")
        shown.columns[index].no_wrap = index < names
    units = [0.0] * names + [column(name).unit for name in columns]
    for row in table.rows:
        shown.add_row(*(_cell(value, unit) for value, unit in zip(row, units, strict=True)))
    return shown


def _cell(value: float | str, unit: float) -> str:
    if isinstance(value, str | int):
        return str(value)
    return latency(value * unit) if unit else rate(value)


def _each(write: Callable[[SweepResult], str]) -> Callable[[ExperimentResult, Columns], str]:
    """A format of a measurement, for each entrant below its name."""

    def written(result: ExperimentResult, columns: Columns) -> str:
        sweeps = ((each, result.sweep(each)) for each in result.entrants)
        return "\n".join(f"# {each.name}\n{write(sweep)}" for each, sweep in sweeps if sweep.probes)

    return written


def _json(result: ExperimentResult, columns: Columns) -> str:
    measured = {
        each.name: {
            "model": each.model,
            "changes": each.changes,
            "configs": each.configs,
            "failed": each.failed.message if each.failed is not None else None,
            "rounds": {
                number: {str(load): sample.probe for load, sample in samples.items()}
                for number, samples in each.rounds.items()
            },
        }
        for each in result.entrants
    }
    return dumps(
        {
            "experiment": result.name,
            "verdict": verdict_of(result),
            "bottlenecks": bottleneck_lines(result),
            "errors": error_lines(result),
            "interrupted": result.interrupted,
            "entrants": plain(measured, without=HIDDEN),
        }
    )


EXPERIMENT_FORMATS: dict[str, Callable[[ExperimentResult, Columns], str]] = {
    "table": _table,
    "lines": _each(_sweep_lines.sweep),
    "perf_analyzer": _each(_sweep_perf_analyzer.sweep),
    "markdown": lambda result, columns: markdown_lines(
        typical_table(result, columns or with_failures(result, REPORTED))
    ),
    "csv": lambda result, columns: csv_lines(rounds_table(result, columns or with_failures(result, REPORTED))),
    "json": _json,
}
"""The formats by name; a new one is a function of the experiment and the columns, and a line here."""
