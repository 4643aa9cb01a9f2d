"""Latency under load: percentiles against the offered load, and where the mean latency goes at each load."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, median

from autotune.measurement import Probe, breakdown
from autotune.objective import Objective
from autotune.report._format import latency, rate
from autotune.report._steps import bottleneck
from autotune.report.document._blocks import Block, Section
from autotune.report.document._figure import Axis, Dash, Figure, Limit, Series, scaled_axis
from autotune.report.document._source import Detailed, Source

_MS = 1e3
_PERCENTILES: dict[str, Dash] = {"p50": "dot", "p90": "dash", "p99": "solid"}
_PARTS = {
    "client_send_s": ("client send", "send"),
    "network_s": ("network", "network"),
    "queue_s": ("queue", "queue"),
    "compute_input_s": ("compute input", "input"),
    "compute_infer_s": ("infer", "infer"),
    "compute_output_s": ("output", "output"),
    "client_receive_s": ("client receive", "receive"),
}
_COMPUTES = "Shorter executions or smaller batches would lower it."
_TRAVELS = "The model is not the largest cost: look at the client, the network and the protocol."
_ADVICE = {
    "client_send_s": _TRAVELS,
    "network_s": _TRAVELS,
    "queue_s": "More instances or a shorter queue delay would lower it.",
    "compute_input_s": _COMPUTES,
    "compute_infer_s": _COMPUTES,
    "compute_output_s": _COMPUTES,
    "client_receive_s": _TRAVELS,
}
_MOST_CONFIGS = 2  # that are drawn at once; others on request
_MOST_BARS = 8
_ALIKE = 1.03  # ratio of two rates up to which they are one load


@dataclass(frozen=True)
class Load:
    """The undisturbed windows of one config at one load.

    Attributes:
        value: Inferences/s offered, or requests outstanding in a closed loop.
        probes: The windows.
    """

    value: float
    probes: tuple[Probe, ...]

    def latency_s(self, statistic: str) -> float:
        """The median of the windows' statistic, in seconds."""
        return median(probe.latency_s.get(statistic, math.nan) for probe in self.probes)

    @property
    def kept_up(self) -> bool:
        """Whether the server completed what was offered in every window."""
        return all(probe.kept_up for probe in self.probes)

    def parts(self) -> dict[str, float] | None:
        """The mean seconds of each part of the latency, over all windows; None where nothing was answered."""
        found = [parts for parts in map(breakdown, self.probes) if parts is not None]
        if not found:
            return None
        return {field: sum(getattr(parts, field) for parts in found) / len(found) for field in _PARTS}

    @property
    def bottleneck(self) -> str:
        """The step of an ensemble, or the called model, that takes most of the time; empty for other models."""
        found = breakdown(self.probes[-1])
        return bottleneck(found) if found is not None else ""


def loads_of(windows: Iterable[Probe], objective: Objective) -> list[Load]:
    """The loads of a config in ascending order; rates that differ by a few percent are one load."""
    closed = objective.load == "closed"
    counted = [each for each in windows if (each.concurrency is not None) == closed and each.verdict != "invalid"]
    alike: list[list[Probe]] = []
    for probe in sorted(counted, key=_value):
        if alike and _value(probe) <= _value(alike[-1][0]) * (1.0 if closed else _ALIKE):
            alike[-1].append(probe)
        else:
            alike.append([probe])
    return [Load(mean(map(_value, group)), tuple(group)) for group in alike]


def loads(source: Source) -> Section | None:
    """Percentiles of the finalists and the baseline; the breakdown of the delivered config and the baseline."""
    objective = source.result.objective
    found = {each.name: loads_of(each.windows, objective) for each in source.detailed}
    if not any(found.values()):
        return None
    blocks: list[Block] = [_percentiles(source, found)]
    for each in (source.main, source.baseline):
        stack = _breakdown(each, found[each.name], objective) if each is not None else None
        if stack is not None:
            blocks.append(stack)
    return Section("loads", "Latency under load", tuple(blocks))


def _percentiles(source: Source, found: dict[str, list[Load]]) -> Figure:
    objective = source.result.objective
    shown = [each for each in (source.main, source.baseline) if each is not None]
    shown += [each for each in reversed(source.detailed) if each not in shown][: _MOST_CONFIGS - len(shown)]
    series = []
    for each in source.detailed:
        for statistic, dash in _PERCENTILES.items():
            at = [load for load in found[each.name] if math.isfinite(load.latency_s(statistic))]
            series.append(
                Series(
                    f"{statistic} {each.short}",
                    tuple(load.value for load in at),
                    tuple(load.latency_s(statistic) * _MS for load in at),
                    each.colour,
                    "both",
                    notes=tuple(_note(load, statistic, each, objective) for load in at),
                    dash=dash,
                    hidden=each not in shown,
                )
            )
    limits = tuple(Limit(each.limit_s * _MS, f"ceiling {each}") for each in objective.ceilings)
    values = [value for each in series if not each.hidden for value in each.y]
    return Figure(
        "percentiles",
        f"Percentiles against {_axis(objective)}",
        _conclusion(source, found),
        Axis(_axis(objective)),
        scaled_axis("latency in ms", [*values, *(each.value for each in limits)]),
        tuple(each for each in series if each.x),
        limits,
    )


def _conclusion(source: Source, found: dict[str, list[Load]]) -> str:
    """Up to which load each config meets the first ceiling, as far as these windows show."""
    objective = source.result.objective
    if not objective.ceilings:
        return _at_the_highest_load(source, found)
    ceiling = objective.ceilings[0]
    sentences = []
    for each in (source.main, source.baseline):
        if each is None:
            continue
        kept = [load for load in found[each.name] if ceiling.met_by(load.latency_s(ceiling.key))]
        if kept:
            most = max(kept, key=lambda load: load.value)
            seen = latency(most.latency_s(ceiling.key))
            sentences.append(
                f"{each.name[:1].upper()}{each.name[1:]} meets {ceiling} in single windows of up to"
                f" {_load(most.value, objective)} ({ceiling.key} {seen})."
            )
        else:
            sentences.append(f"{each.name[:1].upper()}{each.name[1:]} meets {ceiling} in no window.")
    return " ".join([*sentences, "Disturbed windows are left out; medians where a load was repeated."])


def _at_the_highest_load(source: Source, found: dict[str, list[Load]]) -> str:
    objective = source.result.objective
    statistic = objective.optimised_statistic
    said = [
        f"{statistic} {latency(most.latency_s(statistic))} of {each.name} at {_load(most.value, objective)}"
        for each in (source.main, source.baseline)
        if each is not None and (most := next(reversed(found[each.name]), None)) is not None
    ]
    return f"At the highest load: {', '.join(said)}. Medians where a load was repeated."


def _breakdown(detailed: Detailed, at: Sequence[Load], objective: Objective) -> Figure | None:
    whole = [(load, parts) for load in at if load.kept_up and (parts := load.parts()) is not None]
    if not whole:
        return None
    chosen = _spread(whole)
    names = tuple(rate(load.value) for load, _ in chosen)
    series = tuple(
        Series(
            name,
            names,
            tuple(parts[field] * _MS for _, parts in chosen),
            colour,
            "stack",
            notes=tuple(f"{name} {latency(parts[field])} at {_load(load.value, objective)}" for load, parts in chosen),
        )
        for field, (name, colour) in _PARTS.items()
    )
    load, parts = chosen[-1]
    total_s = sum(parts.values())
    largest = max(parts, key=lambda field: parts[field])
    share = parts[largest] / total_s if total_s else 0.0
    kind = "delivered" if detailed.colour == "delivered" else "baseline"
    return Figure(
        f"breakdown-{kind}",
        f"Where the mean latency goes, {detailed.name}",
        f"At {_load(load.value, objective)} the mean latency is {latency(total_s)}, and its largest part is"
        f" {_PARTS[largest][0]} ({share:.0%}). {_ADVICE[largest]}"
        + (f" Bottleneck: {load.bottleneck}." if load.bottleneck else ""),
        Axis(_axis(objective), names=True),
        Axis("mean latency in ms"),
        series,
    )


def _spread(items: Sequence[tuple[Load, dict[str, float]]]) -> list[tuple[Load, dict[str, float]]]:
    """At most `_MOST_BARS` of the loads, evenly spread, the highest among them."""
    if len(items) <= _MOST_BARS:
        return list(items)
    step = (len(items) - 1) / (_MOST_BARS - 1)
    return [items[round(index * step)] for index in range(_MOST_BARS)]


def _note(load: Load, statistic: str, detailed: Detailed, objective: Objective) -> str:
    count = len(load.probes)
    windows = f"{count} window{'' if count == 1 else 's'}"
    return (
        f"{detailed.name}: {statistic} {latency(load.latency_s(statistic))}\n{_load(load.value, objective)}, {windows}"
    )


def _axis(objective: Objective) -> str:
    return "outstanding requests" if objective.load == "closed" else "offered inferences/s"


def _load(value: float, objective: Objective) -> str:
    shown: Callable[[float], str] = rate
    return f"concurrency {value:.0f}" if objective.load == "closed" else f"{shown(value)} inferences/s"


def _value(probe: Probe) -> float:
    return float(probe.concurrency) if probe.concurrency is not None else probe.asked_per_s
