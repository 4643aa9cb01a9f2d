"""The list of studies."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from autotune.report._format import rate, wide_console
from autotune.report._values import shown_by
from autotune.store import StudyOutline


def studies_table(outlines: Sequence[StudyOutline], console: Console | None = None) -> None:
    """Prints one row a study."""
    console = console or wide_console()
    if not outlines:
        console.print("No studies yet; 'autotune run' begins one.")
        return
    table = Table(pad_edge=False, box=None)
    for name in ("study", "model", "objective"):
        table.add_column(name, overflow="fold")
    for name in ("trials", "best trial", "gain"):
        table.add_column(name, justify="right")
    for each in outlines:
        table.add_row(
            each.study,
            ", ".join(model for model, _ in each.objective.weights) or each.model,
            str(each.objective),
            str(each.trials),
            _best(each),
            f"{each.gain:.2f}x" if each.gain is not None else "-",
        )
    console.print(table)


def _best(outline: StudyOutline) -> str:
    if outline.best is None:
        return "none feasible"
    value = outline.objective.value
    return f"{rate(outline.best)}/s" if value.maximise else shown_by(value)(outline.best)
