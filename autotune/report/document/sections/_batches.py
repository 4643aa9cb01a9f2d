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
    """A histogram of executions by batch size for each model, of the delivered config and of the baseline."""
    shown = [each for each in (source.baseline, source.main) if each is not None]
    counts = {each.name: executions(each, source.result.model) for each in shown}
    models = list(dict.fromkeys(model for each in counts.values() for model in each))
    figures = tuple(
        _figure(model, f"batches-{place}", shown, {name: each[model] for name, each in counts.items() if model in each})
        for place, model in enumerate(models, 1)
    )
    return Section("batches", "Executed batches", figures) if figures else None


def executions(detailed: Detailed, model: str) -> dict[str, Counter[int]]:
    """Model to batch size to how often it was executed, in the windows that decided.

    The steps of an ensemble, models that are called, and those that share a load are counted apart.
    """
    counted: dict[str, Counter[int]] = {}
    for probe in detailed.deciding:
        parts = {each.step.model: each.server for each in probe.steps}
        parts |= {each.stream.model: each.server for each in probe.streams}
        if probe.called:
            parts = {model: probe.server, **{each.step.model: each.server for each in probe.called}}
        for name, server in (parts or {model: probe.server}).items():
            if server.batch_executions:
                sizes = {int(size): count for size, count in server.batch_executions.items()}
                counted.setdefault(name, Counter()).update(sizes)
    return counted


def _figure(model: str, name: str, shown: list[Detailed], counts: dict[str, Counter[int]]) -> Figure:
    width = max(1.0, max(map(max, counts.values())) / _MOST_PLACES)
    present = [each for each in shown if each.name in counts]
    return Figure(
        name,
        f"Executed batch sizes of {model}",
        " ".join(_conclusion(each, model, counts[each.name]) for each in reversed(present)),
        Axis("inferences in an execution"),
        Axis("share of executions in %"),
        tuple(_series(each, counts[each.name], width) for each in present),
    )


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


def _conclusion(detailed: Detailed, model: str, counted: Counter[int]) -> str:
    total = sum(counted.values())
    mean = sum(size * count for size, count in counted.items()) / total
    config = _config(detailed, model)
    name = f"{detailed.name[:1].upper()}{detailed.name[1:]}"
    if config is None or config.max_batch_size <= 1:
        return f"{name} does not batch: {mean:.1f} inferences in an execution."
    if not (config.dynamic_batching or config.has("sequence_batching")):
        return f"{name} has no dynamic batching: each request is executed alone, {mean:.1f} inferences on average."
    most = config.max_batch_size
    full = counted.get(most, 0) / total
    larger = "may serve faster" if full >= _FULL else "would change little"
    return (
        f"{name} executes {mean:.1f} inferences together on average, at most {most}."
        f" {full:.0%} of its executions are full, so a larger max_batch_size {larger}."
    )


def _config(detailed: Detailed, model: str) -> ModelConfig | None:
    """A model's config; None if it was served with none of ours."""
    text = detailed.trial.outcome.configs.get(model, "")
    try:
        return ModelConfig.parse(text, detailed.name)
    except AutotuneError:
        return None
