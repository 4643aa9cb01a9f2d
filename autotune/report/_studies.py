"""The list of studies."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from autotune.report._format import latency, rate, wide_console
from autotune.search import StudyResult, score


def studies_table(results: Sequence[StudyResult], console: Console | None = None) -> None:
    """Prints one row a study."""
    console = console or wide_console()
    if not results:
        console.print("No studies yet; 'autotune run' begins one.")
        return
    table = Table(pad_edge=False, box=None)
    for name in ("study", "model", "objective"):
        table.add_column(name, overflow="fold")
    for name in ("trials", "best", "gain"):
        table.add_column(name, justify="right")
    for result in results:
        table.add_row(
            result.study,
            result.model,
            str(result.objective),
            str(len(result.trials)),
            _best(result),
            f"{result.gain:.2f}x" if result.gain is not None else "-",
        )
    console.print(table)


def _best(result: StudyResult) -> str:
    if result.best is None:
        return "none feasible"
    value = score(result.best.outcome, result.objective)
    return f"{rate(value)}/s" if result.objective.maximise else latency(value)
