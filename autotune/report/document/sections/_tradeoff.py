"""Throughput against latency: what each trial came to, the ceiling and the Pareto front."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autotune.objective import format_duration
from autotune.outcome import OutcomeKind
from autotune.report._format import config_change, latency, rate
from autotune.report._values import statistics_shown
from autotune.report.document._blocks import Section
from autotune.report.document._figure import Axis, Figure, Limit, Series, Symbol, scaled_axis
from autotune.report.document._source import Source
from autotune.store import TrialRecord

_MS = 1e3


@dataclass(frozen=True)
class Point:
    """What a trial came to.

    Attributes:
        trial: The trial.
        per_s: Inferences/s: the estimate, or those of the nearest miss.
        latency_s: The statistic of the first ceiling at it, in seconds.
    """

    trial: TrialRecord
    per_s: float
    latency_s: float


def tradeoff(source: Source) -> Section | None:
    """One point for each measured trial."""
    objective = source.result.objective
    statistic = statistics_shown(objective, ("p99",))[0]
    points = _points(source.result.trials, statistic)
    if not points:
        return None
    front = pareto_front(points)
    series = [
        _group(points, "pruned", "pruned", (OutcomeKind.PRUNED,), "triangle"),
        _group(points, "violates the SLO", "violated", (OutcomeKind.INFEASIBLE,), "x"),
        _group(points, "meets the SLO", "feasible", (OutcomeKind.FEASIBLE,), "circle"),
        Series(
            "Pareto front",
            tuple(each.per_s for each in front if len(front) > 1),
            tuple(each.latency_s * _MS for each in front if len(front) > 1),
            "front",
            "steps",
            dash="dot",
        ),
        *(
            _series(detailed.name, detailed.colour, [each for each in points if each.trial.id == detailed.trial.id])
            for detailed in (source.baseline, source.main)
            if detailed is not None
        ),
    ]
    limits = tuple(Limit(each.limit_s * _MS, f"ceiling {each}") for each in objective.ceilings if each.key == statistic)
    values = [each.latency_s * _MS for each in points]
    figure = Figure(
        "throughput-latency",
        f"Throughput against {statistic}",
        _conclusion(source, points, front, statistic),
        Axis("inferences/s"),
        scaled_axis(f"{statistic} in ms", [*values, *(each.value for each in limits)]),
        tuple(each for each in series if each.x),
        limits,
    )
    return Section("tradeoff", "Throughput against latency", (figure,))


def pareto_front(points: Iterable[Point]) -> list[Point]:
    """The points that no other one beats in both throughput and latency, by throughput."""
    front: list[Point] = []
    for each in sorted(points, key=lambda point: (-point.per_s, point.latency_s)):
        if not front or each.latency_s < front[-1].latency_s:
            front.append(each)
    return front[::-1]


def _points(trials: Sequence[TrialRecord], statistic: str) -> list[Point]:
    found = []
    for trial in trials:
        measured = None if trial.outcome.failed else trial.outcome.measurement
        decided = measured.decided_by if measured else None
        if measured is None or decided is None:
            continue
        seen = measured.latency_s.get(statistic, math.nan)
        per_s = measured.rate_per_s if trial.outcome.feasible else decided.asked_per_s
        if math.isfinite(seen):
            found.append(Point(trial, per_s, seen))
    return found


def _group(points: Sequence[Point], name: str, colour: str, kinds: Sequence[OutcomeKind], symbol: Symbol) -> Series:
    chosen = [each for each in points if each.trial.outcome.kind in kinds]
    return _series(f"{name} ({len(chosen)})", colour, chosen, symbol)


def _series(name: str, colour: str, points: Sequence[Point], symbol: Symbol = "diamond") -> Series:
    return Series(
        name,
        tuple(each.per_s for each in points),
        tuple(each.latency_s * _MS for each in points),
        colour,
        notes=tuple(
            f"trial {each.trial.number}: {rate(each.per_s)} inferences/s, {latency(each.latency_s)}\n"
            f"{config_change(each.trial.outcome, each.trial.label)}"
            for each in points
        ),
        symbol=symbol,
    )


def _conclusion(source: Source, points: Sequence[Point], front: Sequence[Point], statistic: str) -> str:
    result = source.result
    met = sum(each.trial.outcome.feasible for each in points)
    share = f"{met:,} of {len(points):,} measured trials meet the SLO."
    chosen = result.best or result.nearest
    point = next((each for each in points if chosen is not None and each.trial.id == chosen.id), None)
    fastest = front[-1]
    least = front[0]
    text = share
    if point is not None:
        what = "Delivered" if result.best is not None else "Nearest miss"
        text += (
            f" {what}: trial {point.trial.number}. The search measured {rate(point.per_s)} inferences/s"
            f" at {statistic} {latency(point.latency_s)}"
        )
        ceiling = next((each for each in result.objective.ceilings if each.key == statistic), None)
        if ceiling is not None:
            room = 1 - ceiling.ratio(point.latency_s)
            limit = format_duration(ceiling.limit_s)
            text += f", {abs(room):.0%} {'below' if room >= 0 else 'above'} the ceiling of {limit}"
        text += "."
    if len(front) > 1:
        text += (
            f" On the Pareto front ({len(front)} trials) {statistic} rises from {latency(least.latency_s)} at"
            f" {rate(least.per_s)} inferences/s to {latency(fastest.latency_s)} at {rate(fastest.per_s)}."
        )
    return text
