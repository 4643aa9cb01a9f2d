"""Who takes part in the final comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from autotune.objective import Objective
from autotune.search._options import SearchOptions
from autotune.search._score import BASELINE, best_of, distinct, score
from autotune.search.finals._complexity import complexity
from autotune.search.finals._front import searched_front, spread
from autotune.store import TrialRecord


def choose(
    trials: Sequence[TrialRecord],
    objective: Objective,
    options: SearchOptions,
    incumbent: float | None = None,
    estimates: Mapping[int, float] | None = None,
    min_gain: float = 0.0,
) -> list[TrialRecord]:
    """The trials whose configs are compared: the best, those close to it, and the baseline if it is feasible.

    A config is left out if a simpler one is predicted to be at least as good, up to ``min_gain``, or if it is served
    like an earlier one.

    Args:
        trials: Of the search.
        objective: What is looked for.
        options: How many, and how close.
        incumbent: What the best is estimated to sustain, as its measurement may have been lucky; None if unknown.
        estimates: Trial number to what it is estimated to sustain; trials that are not in it take part.
        min_gain: The fraction by which a config must be better to matter.

    Of several objectives: members of the Pareto front, and the baseline.
    """
    if objective.also:
        return _of_front(trials, objective, options, min_gain)
    best = best_of(trials, objective)
    if best is None:
        return []
    threshold = _merit(best, objective)
    if incumbent is not None:
        threshold = min(threshold, incumbent if objective.maximise else 1 / incumbent)
    feasible = distinct([trial for trial in trials if trial.outcome.feasible])
    baseline = [trial for trial in feasible if trial.label == BASELINE]
    others = sorted(
        (trial for trial in feasible if trial not in baseline),
        key=lambda trial: (-_merit(trial, objective), trial.number),
    )
    nearest = min(options.close, 1 - objective.within)
    close = [trial for trial in others if _merit(trial, objective) * _benefit(trial) >= nearest * threshold]
    worth = _worth_their_complexity(close, objective, estimates or {}, max(min_gain, objective.within))
    chosen = worth[: options.contenders] or [best]
    return list({trial.id: trial for trial in (*chosen, *baseline)}.values())


def _of_front(
    trials: Sequence[TrialRecord], objective: Objective, options: SearchOptions, min_gain: float
) -> list[TrialRecord]:
    front = searched_front(trials, objective, min_gain)
    baseline = [trial for trial in trials if trial.label == BASELINE and trial.outcome.feasible]
    members = [each for each in front if each.trial not in baseline]
    chosen = spread(members, objective.values, options.contenders) if members else []
    return list({trial.id: trial for trial in (*(each.trial for each in chosen), *baseline)}.values())


def _worth_their_complexity(
    trials: Sequence[TrialRecord], objective: Objective, estimates: Mapping[int, float], min_gain: float
) -> list[TrialRecord]:
    """The trials, in their order, without those that a simpler one is predicted to equal."""
    merits = {number: value if objective.maximise else 1 / value for number, value in estimates.items()}
    left: list[TrialRecord] = []
    for trial in sorted(trials, key=complexity):
        merit = merits.get(trial.number or 0)
        simpler = max((merits.get(each.number or 0, 0.0) for each in left), default=0.0)
        if merit is None or merit > (1 - min_gain) * simpler:
            left.append(trial)
    return [trial for trial in trials if trial in left]


def _merit(trial: TrialRecord, objective: Objective) -> float:
    value = score(trial.outcome, objective)
    return value if objective.maximise else 1 / value


def _benefit(trial: TrialRecord) -> float:
    """How many times better a config may be than its score: by one standard error of its host's factor."""
    factor = trial.outcome.host_factor
    return math.exp(factor.deviation) if factor else 1.0
