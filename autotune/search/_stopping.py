"""Why no further trial should be started."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.store import TrialRecord

_FAILURES_ALIKE = 3
_HOPELESS = 6
_MOST_FOR_FINALS = 0.5  # of a time budget


def enough_trials(trials: Sequence[TrialRecord], wanted: int | None) -> str:
    """All that were asked for were run."""
    if wanted is None or len(trials) < wanted:
        return ""
    return f"{len(trials)} trial{'' if len(trials) == 1 else 's'} done"


def failing_alike(trials: Sequence[TrialRecord]) -> str:
    """Nothing was ever measured, and the first trials all failed with the same words: no config can mend it."""
    messages = {trial.outcome.message for trial in trials}
    unmeasured = all(_unmeasured(trial.outcome) for trial in trials)
    if not unmeasured or len(trials) < _FAILURES_ALIKE or len(messages) != 1:
        return ""
    return f"the first {len(trials)} configs failed alike, your own included: {messages.pop()}"


def _unmeasured(outcome: TrialOutcome) -> bool:
    measured = outcome.measurement
    return not outcome.feasible and (measured is None or (measured.decided_by is None and bool(outcome.message)))


def hopeless(trials: Sequence[TrialRecord]) -> str:
    """The first trials all broke a ceiling with one request at a time, which no batching can mend."""
    for trial in trials:
        measured = trial.outcome.measurement
        if trial.outcome.kind is not OutcomeKind.INFEASIBLE or measured is None or measured.decided_by is None:
            return ""
        if measured.decided_by.purpose != "screen":
            return ""
    if len(trials) < _HOPELESS:
        return ""
    return f"the first {len(trials)} configs broke a ceiling with a single request at a time"


def out_of_time(trials: Sequence[TrialRecord], elapsed_s: float, budget_s: float | None, finals_s: float) -> str:
    """Another trial would not fit into the time budget, beside finals of ``finals_s``."""
    typical_s = max((trial.outcome.seconds for trial in trials[-3:]), default=0.0)
    if budget_s is None or elapsed_s + typical_s + min(finals_s, _MOST_FOR_FINALS * budget_s) <= budget_s:
        return ""
    beside = " beside the finals" if finals_s else ""
    return f"the time budget leaves no room for another trial{beside} (recent ones took up to {typical_s:.0f} s)"


def measured_s(trials: Sequence[TrialRecord]) -> float:
    """Seconds that a trial takes whose rate is looked for; 0 before there was one."""
    return statistics.median([trial.outcome.seconds for trial in trials if trial.outcome.feasible] or [0.0])
