"""The Pareto front of several objectives: the configs that no other one equals or beats in every value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autotune.objective import Objective, Value
from autotune.search._score import distinct, scores, worth_delivering
from autotune.search.finals._complexity import complexity
from autotune.store import TrialRecord


@dataclass(frozen=True)
class Member:
    """A config with its values.

    Attributes:
        trial: The trial in which the search measured it.
        values: One for each of the objective's values, in their order: inferences/s, seconds or bytes.
    """

    trial: TrialRecord
    values: tuple[float, ...]


def front_of(members: Sequence[Member], values: Sequence[Value], min_gain: float) -> tuple[Member, ...]:
    """The members of the front, the best by the first value first.

    A config is on the front unless another one is as good in every value. Values within ``min_gain`` count as equal, so
    that noise makes no member; of equal configs the simplest is kept. Empty only without members.
    """
    kept: list[Member] = []
    for each in sorted(members, key=lambda member: complexity(member.trial)):
        if not any(_covers(other, each, values, min_gain) for other in kept):
            kept = [other for other in kept if not _covers(each, other, values, min_gain)] + [each]
    return tuple(sorted(kept, key=lambda member: -_merits(member, values)[0]))


def searched_front(trials: Sequence[TrialRecord], objective: Objective, min_gain: float) -> tuple[Member, ...]:
    """The front by the search's single measurements, lucky ones included; empty for an objective of one value."""
    if not objective.also:
        return ()
    feasible = distinct([trial for trial in trials if trial.outcome.feasible])
    members = [Member(trial, scores(trial.outcome, objective)) for trial in feasible]
    return front_of(members, objective.values, min_gain)


def delivered(trials: Sequence[TrialRecord], objective: Objective, min_gain: float) -> TrialRecord | None:
    """The trial whose config is delivered without a final comparison; None if none met the SLO.

    Of several objectives the best of the front by the first value: one rule, which a person can foresee.
    """
    front = searched_front(trials, objective, min_gain)
    return front[0].trial if front else worth_delivering(trials, objective, min_gain)


def spread(front: Sequence[Member], values: Sequence[Value], most: int) -> list[Member]:
    """At most so many members: the ends of the front, then those that are farthest from their neighbours.

    By the crowding distance of NSGA-II (Deb, Pratap, Agarwal, Meyarivan, *IEEE Trans. Evol. Comput.* 6, 2002), of
    logarithms. The best by the first value comes first.
    """
    distances = {each.trial.id: 0.0 for each in front}
    merits = {each.trial.id: _merits(each, values) for each in front}
    for place in range(len(values)):
        ranked = sorted(merits, key=lambda trial: -merits[trial][place])
        whole = merits[ranked[0]][place] - merits[ranked[-1]][place] or 1.0
        for before, trial, after in zip(ranked, ranked[1:], ranked[2:], strict=False):
            distances[trial] += (merits[before][place] - merits[after][place]) / whole
        for end in (ranked[0], ranked[-1]):
            distances[end] = math.inf
    chosen = sorted(front, key=lambda each: (each is not front[0], -distances[each.trial.id]))[:most]
    return [each for each in front if each in chosen]


def _covers(one: Member, other: Member, values: Sequence[Value], min_gain: float) -> bool:
    """Whether the other one is better in no value, by more than ``min_gain``."""
    pairs = zip(_merits(one, values), _merits(other, values), strict=True)
    return all(theirs - ours <= math.log1p(min_gain) for ours, theirs in pairs)


def _merits(member: Member, values: Sequence[Value]) -> tuple[float, ...]:
    """The logarithm of each value, signed so that more is better."""
    pairs = zip(member.values, values, strict=True)
    return tuple((1 if value.maximise else -1) * math.log(max(number, 1e-12)) for number, value in pairs)
