"""Whether the gain holds on a second host."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from autotune.measurement import ROUND
from autotune.measurement.statistics import paired_ratio
from autotune.outcome import OutcomeKind
from autotune.repository import ConfigSet
from autotune.search import StudyResult, Trial, TrialWatch, find_record, score
from autotune.search.finals import Interrupted
from autotune.store import Store, TrialRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from autotune.cluster._workers import RayWorkers

_ROUNDS = 2  # the least that shows a deviation


def compare_hosts(
    workers: RayWorkers,
    result: StudyResult,
    store: Store,
    note: Callable[[str], None],
    time_budget_s: float | None,
) -> None:
    """Measures the delivered config and the baseline in turns on a second host.

    What is found is stored as runs of the study and noted; the gain of the result is that of the first host.

    Args:
        workers: The workers of the study, all idle.
        result: The study after its final comparison.
        store: Where runs are kept.
        note: Says what was found.
        time_budget_s: Of the run; None without one.
    """
    baseline, best = result.baseline, result.best
    if baseline is None or not baseline.outcome.feasible or best is None or result.interrupted:
        return
    if best.id == baseline.id:
        return
    if result.finals is None or not result.finals.rounds:
        return
    others = [node for node in workers.nodes() if node.id != workers.home]
    if not others:
        return
    needed_s = 2 * _ROUNDS * max(baseline.outcome.seconds, best.outcome.seconds)
    if time_budget_s is not None and result.seconds + needed_s > time_budget_s:
        note("the time budget leaves no room to repeat the comparison on a second host")
        return
    record = find_record(store, result.study)

    def measure(trial: TrialRecord, node: str, host: str, number: int) -> float:
        outcome = workers.execute_on(node, _again(trial, result, number), TrialWatch())
        store.save_run(
            model=trial.model,
            label=f"on {host}",
            outcome=outcome,
            environment=workers.environment,
            role="again",
            study=record,
            trial=trial,
            round_number=number,
        )
        if outcome.kind is OutcomeKind.INTERRUPTED:
            raise Interrupted
        return score(outcome, result.objective) if outcome.feasible else 0.0

    try:
        second = others[0]
        values: dict[int | None, list[float]] = {baseline.number: [], best.number: []}
        contenders = [baseline, best]
        for number in range(1, _ROUNDS + 1):
            for trial in contenders if number % 2 else reversed(contenders):
                values[trial.number].append(measure(trial, second.id, second.host, number))
        if all(value > 0 for each in values.values() for value in each):
            ratio = paired_ratio(values[best.number], values[baseline.number])
            note(
                f"on a second host, {second.host}: gain {ratio.value:.2f} times in {_ROUNDS} rounds"
                f" (95% interval {ratio.low:.2f} to {ratio.high:.2f})"
            )
    except Interrupted:
        note("interrupted: the comparison on a second host was not finished")


def _again(trial: TrialRecord, result: StudyResult, number: int) -> Trial:
    """A round of a trial's config."""
    measured = trial.outcome.measurement
    decided = measured.decided_by if measured else None
    question = replace(
        ROUND,
        around_per_s=score(trial.outcome, result.objective) if result.objective.maximise else None,
        concurrency=decided.concurrency if decided else None,
        seed=number,
    )
    configs = ConfigSet.parse(trial.outcome.configs, f"trial {trial.number}")
    return Trial(trial.number or 0, trial.outcome.candidate, configs, question, repeat=f"-second-host-{number}")
