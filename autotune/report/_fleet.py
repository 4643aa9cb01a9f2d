"""Which models of a repository gain what."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from autotune.report._format import latency, rate, wide_console
from autotune.search import FleetResult, ModelStudy, StudyResult, score


def fleet_table(fleet: FleetResult, console: Console | None = None) -> None:
    """Prints one row a model, the largest gain first, then the models without a result."""
    console = console or wide_console()
    table = Table(pad_edge=False, box=None)
    table.add_column("model", overflow="fold")
    for name in ("trials", "baseline", "delivered", "gain"):
        table.add_column(name, justify="right")
    table.add_column("config", overflow="fold")
    for each in sorted(fleet.models, key=_order):
        table.add_row(each.model, *(_cells(each.result) if each.result else ("-", "-", "-", "-", each.error)))
    for name in fleet.waiting:
        table.add_row(name, "-", "-", "-", "-", "its turn did not come")
    console.print(table)


def _order(each: ModelStudy) -> tuple[bool, float]:
    result = each.result
    if result is None or result.best is None:
        return True, 0.0
    gain = result.gain or 1.0
    return False, -gain if result.objective.maximise else gain


def _cells(result: StudyResult) -> tuple[str, str, str, str, str]:
    shown = (lambda value: f"{rate(value)}/s") if result.objective.maximise else latency
    baseline, best = (
        shown(score(trial.outcome, result.objective)) if trial is not None and trial.outcome.feasible else "violates"
        for trial in (result.baseline, result.best)
    )
    gain = "-" if result.best is None else "unconfirmed" if result.gain is None else f"{result.gain:.2f}x"
    if result.interval is not None:
        gain += f" ({result.interval.low:.2f} to {result.interval.high:.2f})"
    if result.best is None:
        best = "none meets the SLO"
    path = str(result.config_path) if result.config_path else result.stopped
    return str(len(result.trials)), baseline, best, gain, path
