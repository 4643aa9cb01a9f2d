"""Where the time of an ensemble, or of a model that calls others, goes: the models and the bottleneck."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from autotune.measurement import Breakdown, Probe, StepTimes, breakdown
from autotune.report._format import latency, load_label

_OWN = "its own code"  # of a model that calls others


def step_lines(parts: Breakdown) -> list[str]:
    """The steps of an ensemble, or the models that are called, and the bottleneck; nothing for other models."""
    if parts.bottleneck is None:
        return []
    models = "; ".join(_step(each) for each in parts.parts)
    return [f"{'Steps' if parts.steps else 'Called models'}: {models}.", f"Bottleneck: {bottleneck(parts)}."]


def bottleneck(parts: Breakdown) -> str:
    """The model that takes most of the time: ``preprocess: 57ms of 59ms, one instance busy 98%``."""
    step = parts.bottleneck
    if step is None:
        return ""
    total_s = sum(each.total_s for each in parts.parts if each.decides)
    busy = f", {_busy(step)}" if step.instances else ""
    return f"{step.model or _OWN}: {latency(step.total_s)} of {latency(total_s)}{busy}"


def steps_table(probes: Sequence[Probe]) -> Table:
    """One row for each load and step, or called model."""
    title = "the called models" if any(probe.called for probe in probes) else "the steps"
    table = Table(title=title, title_justify="left", pad_edge=False, box=None)
    for name in ("load", "model"):
        table.add_column(name, no_wrap=True)
    for name in ("mean", "queue", "compute", "mean batch", "instances", "busy"):
        table.add_column(name, justify="right", no_wrap=True)
    for probe in probes:
        parts = breakdown(probe)
        for each in parts.parts if parts else ():
            times = (latency(each.total_s), latency(each.queue_s), latency(each.compute_s))
            counts = (
                (f"{each.mean_batch:.1f}", str(each.instances), f"{each.busy:.0%}") if each.instances else ("-",) * 3
            )
            table.add_row(load_label(probe), each.model or _OWN, *times, *counts)
    return table


def _step(step: StepTimes) -> str:
    if not step.instances:
        return f"{_OWN} {latency(step.total_s)}"
    cached = f", {step.cached:.1%} from the response cache" if step.cached else ""
    beside = "" if step.decides else ", in parallel with slower ones"
    return (
        f"{step.model} {latency(step.total_s)} (queue {latency(step.queue_s)}, compute {latency(step.compute_s)},"
        f" mean batch {step.mean_batch:.1f}, {_busy(step)}{cached}{beside})"
    )


def _busy(step: StepTimes) -> str:
    return f"{'one instance' if step.instances == 1 else f'{step.instances} instances'} busy {step.busy:.0%}"
