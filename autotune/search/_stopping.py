"""Why no further trial should be started."""

from __future__ import annotations

from collections.abc import Sequence

from autotune.measurement import Infeasible
from autotune.outcome import OutcomeKind
from autotune.search._options import SearchOptions
from autotune.search._repeated_failures import way
from autotune.store import TrialRecord


def enough_trials(done: int, running: int, wanted: int | None) -> str:
    """All that were asked for were run, or are running."""
    if wanted is None or done + running < wanted:
        return ""
    return f"{done} trial{'' if done == 1 else 's'} done"


def failing_alike(trials: Sequence[TrialRecord], options: SearchOptions) -> str:
    """Nothing was ever measured, and the latest trials failed in the same way: no config can mend that."""
    latest = trials[-options.failures :]
    ways = {way(trial.outcome) for trial in latest}
    if not all(trial.outcome.failed for trial in trials) or len(latest) < options.failures or len(ways) != 1:
        return ""
    included = f"the first {len(trials)}" if len(trials) == len(latest) else f"the last {len(latest)}"
    baseline = ", the baseline included" if len(trials) == len(latest) else " and none worked"
    return f"{included} configs failed in the same way{baseline}: {trials[-1].outcome.message}"


def unpromising(trials: Sequence[TrialRecord], options: SearchOptions) -> str:
    """The first trials all violated a ceiling with one request at a time, which no batching can mend."""
    for trial in trials:
        measured = trial.outcome.measurement
        if trial.outcome.kind is not OutcomeKind.INFEASIBLE or measured is None or measured.decided_by is None:
            return ""
        if measured.decided_by.purpose != "screen" or measured.infeasible is Infeasible.DISTURBED:
            return ""
    if len(trials) < options.unpromising:
        return ""
    if all(each.outcome.measurement and each.outcome.measurement.infeasible is Infeasible.MEMORY for each in trials):
        return f"the first {len(trials)} configs exceeded the memory limit before any load"
    return f"the first {len(trials)} configs violated a ceiling with a single request at a time"


def answered_by_cache(trials: Sequence[TrialRecord], options: SearchOptions) -> str:
    """Nearly no request reaches the model, so that no config of it matters."""
    for trial in trials:
        decided = trial.outcome.measurement.decided_by if trial.outcome.measurement else None
        if decided is not None and decided.server.cached_fraction >= options.cached:
            return (
                f"{decided.server.cached_fraction:.1%} of requests were answered from the response cache, so configs "
                "of the model make no difference; switch response_cache off, or send requests that differ "
                "(--input-data)"
            )
    return ""


def out_of_time(
    trials: Sequence[TrialRecord], budget_s: float | None, left_s: float, finals_s: float, options: SearchOptions
) -> str:
    """Another trial would not fit into the time budget beside a final comparison of ``finals_s``.

    The first ``least_configs`` trials may leave less than that.
    """
    typical_s = max((trial.outcome.seconds for trial in trials[-3:]), default=0.0)
    share = options.finals_share if len(trials) >= options.least_configs else (1 - options.search_part) / 2
    if budget_s is None or typical_s + min(finals_s, share * budget_s) <= left_s:
        return ""
    beside = " and the final comparison" if finals_s else ""
    return f"the time budget leaves no room for another trial{beside} (recent trials took up to {typical_s:.0f} s)"
