"""What a trial is worth: its value, its constraints, and which of several is best."""

from __future__ import annotations

import math
from collections.abc import Sequence

from autotune.limits import MOST_BYTES
from autotune.measurement import value_of
from autotune.objective import Objective, Value
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.store import TrialRecord

BASELINE = "baseline"
"""Label of the trial of the config that the person had."""

PROPOSED = "proposed"
"""Label of the trials that the sampler proposed."""

MIN_GAIN = 0.02
"""By what fraction a config must be better to matter, where a person does not say."""

WORST_LATENCY_S = 1000.0
_WORST_VIOLATION = 100.0


def score(outcome: TrialOutcome, objective: Objective) -> float:
    """The objective's first value: inferences/s, seconds of a latency, or bytes of memory.

    A trial that violated the SLO scores the worst value, 0 inferences/s, `WORST_LATENCY_S` or `MOST_BYTES`: the
    dashboard's best trial goes by value alone, and samplers learn from its constraints. Finite, because Optuna's
    samplers ignore failed trials. What was measured on another host than the baseline is divided by that host's factor.
    """
    found = _score(outcome, objective.value)
    return found / outcome.host_factor.value if outcome.feasible and outcome.host_factor else found


def scores(outcome: TrialOutcome, objective: Objective) -> tuple[float, ...]:
    """What Optuna is given: each of the objective's values.

    Of several, a trial that violated the SLO gets what was measured, for its constraints keep it from the Pareto front:
    the worst values would squeeze the others into a corner of the front's plot.
    """
    values = objective.values
    measured = outcome.measurement
    if len(values) == 1 or outcome.feasible or outcome.failed or measured is None:
        return score(outcome, objective), *(_score(outcome, each) for each in values[1:])
    found = [value_of(measured, each) for each in values]
    return tuple(value if math.isfinite(value) else _worst(each) for value, each in zip(found, values, strict=True))


def _score(outcome: TrialOutcome, value: Value) -> float:
    measured = outcome.measurement
    found = value_of(measured, value) if measured is not None and outcome.feasible else math.nan
    return found if math.isfinite(found) else _worst(value)


def _worst(value: Value) -> float:
    if value.maximise:
        return 0.0
    return float(MOST_BYTES) if value.is_memory else WORST_LATENCY_S


def constraint_values(outcome: TrialOutcome, objective: Objective) -> tuple[float, ...]:
    """One value per ceiling and limit of memory, one for the offered rate, one for having been measured; <= 0 is met.

    A pruned config violated the ceilings at a rate that others sustain, which says nothing about lower
    rates: it counts as a near miss, by what was wanting to that rate.
    """
    names = [*map(str, (*objective.ceilings, *objective.memory_limits)), "rate"]
    measured = outcome.measurement
    if measured is None or not measured.violations or outcome.failed:
        return (*(_WORST_VIOLATION for _ in names), _WORST_VIOLATION)
    if outcome.kind is OutcomeKind.PRUNED:
        return (*(0.0 for _ in names), measured.violations["race"])
    missed = tuple(_finite(measured.violations.get(name, 0.0)) for name in names)
    answered = 0.0 if outcome.feasible or any(value > 0 for value in missed) else 1.0
    return (*missed, answered)


def _finite(violation: float) -> float:
    """At most the worst one, which a violation is too that nothing was measured of."""
    return _WORST_VIOLATION if math.isnan(violation) else min(violation, _WORST_VIOLATION)


def distinct(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials without those whose config was served like an earlier one's: the better of two is chance."""
    first: dict[str, TrialRecord] = {}
    for trial in trials:
        first.setdefault(trial.outcome.served_digest or f"trial {trial.id}", trial)
    return list(first.values())


def best_of(trials: Sequence[TrialRecord], objective: Objective) -> TrialRecord | None:
    """The feasible trial with the best score, of those served alike the first; the earlier one of equals."""
    feasible = distinct([trial for trial in trials if trial.outcome.feasible])
    sign = -1.0 if objective.maximise else 1.0
    return min(feasible, key=lambda trial: (sign * score(trial.outcome, objective), trial.number), default=None)


class Incumbent:
    """The best of a growing list of trials, as `best_of` finds it; each trial is looked at once.

    Args:
        objective: What is looked for.
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._seen = 0
        self._served: set[str] = set()
        self._best: TrialRecord | None = None

    def of(self, trials: Sequence[TrialRecord]) -> TrialRecord | None:
        """The best of the trials; the list is that of the last call, or longer."""
        for trial in trials[self._seen :]:
            digest = trial.outcome.served_digest
            if trial.outcome.feasible and digest not in self._served:
                self._best = best_of([self._best, trial] if self._best else [trial], self._objective)
                self._served.update([digest] if digest else [])
        self._seen = len(trials)
        return self._best


def worth_delivering(trials: Sequence[TrialRecord], objective: Objective, min_gain: float) -> TrialRecord | None:
    """The best feasible trial; the baseline if it meets the SLO and the best is not better by ``min_gain``."""
    best = best_of(trials, objective)
    baseline = next((trial for trial in trials if trial.label == BASELINE and trial.outcome.feasible), None)
    if best is None or baseline is None:
        return best
    ratio = score(best.outcome, objective) / score(baseline.outcome, objective)
    return best if (ratio if objective.maximise else 1 / ratio) > 1 + min_gain else baseline


def nearest_of(trials: Sequence[TrialRecord]) -> TrialRecord | None:
    """The infeasible trial whose worst violation is smallest."""
    measured = [
        trial
        for trial in trials
        if trial.outcome.measurement and trial.outcome.measurement.violations and not trial.outcome.failed
    ]

    def worst(trial: TrialRecord) -> float:
        measurement = trial.outcome.measurement
        return max(measurement.violations.values()) if measurement else float("inf")

    return min(measured, key=worst, default=None)
