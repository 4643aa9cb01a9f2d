"""Which models of a repository gain what."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from autotune.report._format import wide_console
from autotune.report._hardware import hardware_table, study_cells
from autotune.search import FleetResult, ModelStudy


def fleet_table(fleet: FleetResult, console: Console | None = None) -> None:
    """Prints one row a model, the largest gain first, then the models without a result; or one a kind of hardware."""
    console = console or wide_console()
    if any(each.hardware for each in fleet.models):
        hardware_table(fleet, console)
        return
    table = Table(pad_edge=False, box=None)
    table.add_column("model", overflow="fold")
    for name in ("trials", "baseline", "delivered", "gain"):
        table.add_column(name, justify="right")
    table.add_column("config", overflow="fold")
    for each in sorted(fleet.models, key=_order):
        table.add_row(each.model, *(study_cells(each.result) if each.result else ("-", "-", "-", "-", each.error)))
    for name in fleet.waiting:
        table.add_row(name, "-", "-", "-", "-", "not started")
    console.print(table)


def _order(each: ModelStudy) -> tuple[bool, float]:
    result = each.result
    if result is None or result.best is None:
        return True, 0.0
    gain = result.gain or 1.0
    return False, -gain if result.objective.maximise else gain
