"""What a trial says of its config: a value, a bound, or a failure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from autotune.measurement import value_of
from autotune.objective import Objective
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.space import ParameterValue

FAILED = (OutcomeKind.WRONG_ANSWERS, OutcomeKind.LOAD_FAILED, OutcomeKind.CRASHED, OutcomeKind.TIMED_OUT)
"""Outcomes that the config may have caused."""
NOT_THE_CONFIGS_FAULT = (OutcomeKind.CLIENT_FAILED, OutcomeKind.INTERRUPTED, OutcomeKind.OUT_OF_TIME)
"""Outcomes that say nothing of the config."""


def measured_value(outcome: TrialOutcome, objective: Objective) -> float | None:
    """The value that a trial measured, in inferences/s or seconds; None if it measured none."""
    measured = outcome.measurement
    if measured is None or not outcome.feasible:
        return None
    return value_of(measured, objective.value)


def merit_of(value: float, objective: Objective) -> float:
    """The logarithm of a value, signed so that more is better."""
    return math.log(value) if objective.maximise else -math.log(value)


def merit_bounds(outcome: TrialOutcome, objective: Objective, pruned_margin: float) -> tuple[float, float] | None:
    """Lowest and highest merit that a trial's config may have; None if the trial does not say.

    They are equal for a measured value. A pruned config lies below the rate that pruned it, by the margin.
    """
    value = measured_value(outcome, objective)
    if value is not None:
        merit = merit_of(value, objective)
        return merit, merit
    measured = outcome.measurement
    if outcome.kind is not OutcomeKind.PRUNED or measured is None or not measured.beaten_by_per_s:
        return None
    return -math.inf, merit_of(measured.beaten_by_per_s, objective) - pruned_margin


def failing_values(outcomes: Sequence[TrialOutcome]) -> dict[tuple[str, ParameterValue], tuple[OutcomeKind, ...]]:
    """Each (parameter, value) whose trials all failed, at least two, while another value worked: how they ended."""
    failed: dict[tuple[str, ParameterValue], list[OutcomeKind]] = defaultdict(list)
    for outcome in outcomes:
        for parameter in (outcome.candidate or ()) if outcome.kind in FAILED else ():
            failed[parameter].append(outcome.kind)
    if not failed:
        return {}
    worked = {each for outcome in outcomes if outcome.kind not in FAILED for each in outcome.candidate or ()}
    works = {name for name, _ in worked}
    return {
        (name, value): tuple(kinds)
        for (name, value), kinds in failed.items()
        if name in works and len(kinds) > 1 and (name, value) not in worked
    }
