"""What each kind of hardware gains, and what its throughput costs."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from autotune.report._format import rate
from autotune.report._values import shown_by
from autotune.search import FleetResult, Hardware, ModelStudy, StudyResult, score


def hardware_table(fleet: FleetResult, console: Console) -> None:
    """Prints one row a study: for each model the kind with the most inferences for its price, else a device, first."""
    priced = any(each.hardware and each.hardware.price_per_h is not None for each in fleet.models)
    several = len({each.model for each in fleet.models}) > 1
    table = Table(pad_edge=False, box=None)
    if several:
        table.add_column("model", overflow="fold")
    table.add_column("hardware", overflow="fold")
    prices = ("price/h", "inferences per unit of price") if priced else ()
    for name in ("nodes", "trials", "baseline", "delivered", "gain", "per GPU or core", *prices):
        table.add_column(name, justify="right")
    table.add_column("config", overflow="fold")
    for each in sorted(fleet.models, key=lambda each: (each.model, -_worth(each))):
        model = (each.model,) if several else ()
        table.add_row(*model, *_row(each, priced))
    for name in fleet.waiting:
        table.add_row(name, "not started")
    console.print(table)


def per_device(rate_per_s: float, hardware: Hardware) -> str:
    """Throughput of one GPU, or of one core where there is no GPU: ``2,025/s a GPU``."""
    return f"{rate(rate_per_s / hardware.devices)}/s a {'GPU' if hardware.gpus else 'core'}"


def delivered_rate(result: StudyResult | None) -> float | None:
    """Inferences/s of the delivered config's trial; None if no config meets the SLO."""
    best = result.best.outcome.measurement if result and result.best else None
    return best.rate_per_s if best else None


def _worth(each: ModelStudy) -> float:
    found, hardware = delivered_rate(each.result), each.hardware
    if found is None or hardware is None:
        return 0.0
    return hardware.per_price(found) or found / hardware.devices


def _row(each: ModelStudy, priced: bool) -> Iterator[str]:
    hardware, found = each.hardware, delivered_rate(each.result)
    yield hardware.kind if hardware else "-"
    yield str(len(hardware.hosts)) if hardware else "-"
    trials, baseline, delivered, gain, config = (
        study_cells(each.result) if each.result else ("-", "-", "-", "-", each.error)
    )
    yield from (trials, baseline, delivered, gain)
    yield "-" if found is None or hardware is None else per_device(found, hardware)
    if priced:
        price = hardware.price_per_h if hardware else None
        yield "-" if price is None else f"{price:g}"
        yield "-" if found is None or hardware is None else rate(hardware.per_price(found))
    yield config


def study_cells(result: StudyResult) -> tuple[str, str, str, str, str]:
    """Trials, baseline, delivered, gain and the exported config's path."""
    value = result.objective.value
    shown = (lambda found: f"{rate(found)}/s") if value.maximise else shown_by(value)
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
