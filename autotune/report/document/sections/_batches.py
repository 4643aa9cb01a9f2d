"""The sizes of the batches that the server executed."""

from __future__ import annotations

from collections import Counter

from autotune.errors import AutotuneError
from autotune.report.document._blocks import Section
from autotune.report.document._figure import Axis, Figure, Series
from autotune.report.document._source import Detailed, Source
from autotune.repository import ModelConfig

_MOST_PLACES = 60  # bars that stand beside each other; those of more sizes overlap rather than be too thin to see
_FULL = 0.5  # share of executions at the limit from which the limit is said to bind


def batches(source: Source) -> Section | None:
    """A histogram of executions by batch size, of the delivered config and of the baseline."""
    shown = [each for each in (source.baseline, source.main) if each is not None]
    counts = {each.name: executions(each) for each in shown}
    widest = max((max(each, default=0) for each in counts.values()), default=0)
    width = max(1.0, widest / _MOST_PLACES)
    series = tuple(_series(each, counts[each.name], width) for each in shown if counts[each.name])
    if not series:
        return None
    figure = Figure(
        "batches",
        "Executed batch sizes",
        " ".join(_conclusion(each, counts[each.name]) for each in reversed(shown) if counts[each.name]),
        Axis("inferences in an execution"),
        Axis("share of executions in %"),
        series,
    )
    return Section("batches", "Executed batches", (figure,))


def executions(detailed: Detailed) -> Counter[int]:
    """Batch size to how often it was executed, in the windows that decided."""
    counted: Counter[int] = Counter()
    for probe in detailed.deciding:
        counted.update({int(size): count for size, count in probe.server.batch_executions.items()})
    return counted


def _series(detailed: Detailed, counted: Counter[int], width: float) -> Series:
    sizes = sorted(counted)
    total = sum(counted.values())
    return Series(
        detailed.name,
        tuple(sizes),
        tuple(100 * counted[size] / total for size in sizes),
        detailed.colour,
        "bars",
        notes=tuple(f"{detailed.name}: {counted[size]:,} executions of {size}" for size in sizes),
        width=width,
    )


def _conclusion(detailed: Detailed, counted: Counter[int]) -> str:
    total = sum(counted.values())
    mean = sum(size * count for size, count in counted.items()) / total
    most = _limit(detailed)
    name = f"{detailed.name[:1].upper()}{detailed.name[1:]}"
    if most <= 1:
        return f"{name} does not batch: {mean:.1f} inferences in an execution."
    full = counted.get(most, 0) / total
    says = (
        "the limit binds, a larger one may serve faster"
        if full >= _FULL
        else "the limit does not bind, a larger one changes little"
    )
    return (
        f"{name} executes {mean:.1f} of at most {most} inferences together; {full:.0%} of executions are full: {says}."
    )


def _limit(detailed: Detailed) -> int:
    try:
        return ModelConfig.parse(detailed.trial.outcome.config_text, detailed.name).max_batch_size
    except AutotuneError:
        return 0
