"""Whose fault it is where a trial ends without a measurement, and parameter values that never worked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.space import ParameterValue

FAILED = (OutcomeKind.LOAD_FAILED, OutcomeKind.CRASHED, OutcomeKind.TIMED_OUT)
"""Ends that are the config's fault, or may be."""
NOT_THE_CONFIGS_FAULT = (OutcomeKind.CLIENT_FAILED, OutcomeKind.INTERRUPTED)
"""Ends that say nothing of it."""

_TRIALS = 2


def failing_values(outcomes: Sequence[TrialOutcome]) -> dict[tuple[str, ParameterValue], tuple[OutcomeKind, ...]]:
    """How the trials of each (parameter, value) ended that all failed, at least two, where another value worked."""
    ended: dict[tuple[str, ParameterValue], list[OutcomeKind]] = defaultdict(list)
    for outcome in outcomes:
        for parameter in outcome.candidate or ():
            ended[parameter].append(outcome.kind)
    works = {name for (name, _), kinds in ended.items() if any(kind not in FAILED for kind in kinds)}
    return {
        (name, value): tuple(kinds)
        for (name, value), kinds in ended.items()
        if name in works and len(kinds) >= _TRIALS and all(kind in FAILED for kind in kinds)
    }
