"""The server's memory and CPU against its throughput."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from autotune.measurement import Probe, Usage
from autotune.report._format import config_change, rate
from autotune.report.document._blocks import Section
from autotune.report.document._figure import Axis, Figure, Series
from autotune.report.document._source import Source
from autotune.store import TrialRecord

_Reading = Callable[[Usage, Probe], float | None]


def resources(source: Source) -> Section | None:
    """Memory, CPU and GPU memory in the window that decided each trial, where they were seen."""
    figures = [
        figure
        for name, title, unit, reading in (
            ("memory", "Server memory", "MiB", _memory_mib),
            ("cpu", "Server CPU", "cores", _cores),
            ("gpu-memory", "GPU memory", "MiB", _gpu_memory_mib),
        )
        if (figure := _figure(source, name, title, unit, reading)) is not None
    ]
    return Section("resources", "Server resources", tuple(figures)) if figures else None


def _figure(source: Source, name: str, title: str, unit: str, reading: _Reading) -> Figure | None:
    seen = [
        (value, decided.achieved_per_s, trial)
        for trial in source.result.trials
        if (decided := _decided(trial)) is not None
        and decided.usage is not None
        and (value := reading(decided.usage, decided)) is not None
    ]
    if not seen:
        return None
    marked = {each.trial.id: each for each in (source.baseline, source.main) if each is not None}
    others = [each for each in seen if each[2].id not in marked]
    series = [_series("other trials", "pruned", others, unit)] if others else []
    for each in marked.values():
        mine = [one for one in seen if one[2].id == each.trial.id]
        if mine:
            series.append(_series(each.name, each.colour, mine, unit))
    return Figure(
        f"server-{name}",
        f"{title} against throughput",
        _conclusion(source, title, unit, seen),
        Axis("completed inferences/s"),
        Axis(f"{title[:1].lower()}{title[1:]} in {unit}" if not title.startswith("GPU") else f"{title} in {unit}"),
        tuple(series),
        small=True,
    )


def _series(name: str, colour: str, seen: Sequence[tuple[float, float, TrialRecord]], unit: str) -> Series:
    return Series(
        name,
        tuple(per_s for _, per_s, _ in seen),
        tuple(value for value, *_ in seen),
        colour,
        notes=tuple(
            f"trial {trial.number}: {_shown(value, unit)} at {rate(per_s)} inferences/s\n"
            f"{config_change(trial.outcome, trial.label)}"
            for value, per_s, trial in seen
        ),
        symbol="circle" if colour == "pruned" else "diamond",
    )


def _conclusion(source: Source, title: str, unit: str, seen: Sequence[tuple[float, float, TrialRecord]]) -> str:
    values = {trial.id: value for value, _, trial in seen}
    main, baseline = source.main, source.baseline
    low, high = min(values.values()), max(values.values())
    text = f"{title} is between {_shown(low, unit)} and {_shown(high, unit)}."
    if main is not None and main.trial.id in values:
        mine = values[main.trial.id]
        text = f"{main.name[:1].upper()}{main.name[1:]} takes {_shown(mine, unit)}"
        if baseline is not None and values.get(baseline.trial.id):
            theirs = values[baseline.trial.id]
            text += f", {mine / theirs:.2f} times the baseline's {_shown(theirs, unit)}"
        text += f"; all trials between {_shown(low, unit)} and {_shown(high, unit)}."
    return text


def _decided(trial: TrialRecord) -> Probe | None:
    measured = None if trial.outcome.failed else trial.outcome.measurement
    return measured.decided_by if measured else None


def _shown(value: float, unit: str) -> str:
    return f"{value:.2f} {unit}" if unit == "cores" else f"{value:,.0f} {unit}"


def _memory_mib(usage: Usage, probe: Probe) -> float | None:
    return None if usage.memory_bytes is None else usage.memory_bytes / 2**20


def _gpu_memory_mib(usage: Usage, probe: Probe) -> float | None:
    return None if not usage.gpu_memory_bytes else usage.gpu_memory_bytes / 2**20


def _cores(usage: Usage, probe: Probe) -> float | None:
    seconds = usage.seconds or probe.duration_s
    return None if usage.server_cpu_s is None or not seconds else usage.server_cpu_s / seconds
