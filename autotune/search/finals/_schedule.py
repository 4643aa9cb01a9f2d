"""Runs the rounds of the final comparison until the decision is made, then the winner's certificate."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from autotune.environment import Environment
from autotune.measurement import ROUND, Question
from autotune.outcome import OutcomeKind
from autotune.repository import ConfigSet, ServedSet
from autotune.search._executor import Executor, Trial, TrialWatch
from autotune.search._observer import StudyObserver
from autotune.search._options import SearchOptions
from autotune.search._plan import StudyPlan
from autotune.search._score import score
from autotune.search.finals._choose import choose
from autotune.search.finals._decide import Comparison, decide
from autotune.search.finals._front import delivered
from autotune.search.finals._read import finalists_of, finals_of, held_after
from autotune.search.finals._types import CERTIFICATE, FINAL, Finalist, Finals, Uncompared
from autotune.store import RunRole, Store, StudyRecord, TrialRecord

_ATTEMPTS = 2  # of a round whose load generator failed, which says nothing about the config


class Interrupted(Exception):
    """A person stopped the final comparison."""


def going_on(finalists: Sequence[Finalist], number: int, plan: StudyPlan) -> list[Finalist]:
    """Who plays round ``number``: those about whom a question is open after the rounds before it.

    All play the first rounds (`SearchOptions.least_rounds`). Then the baseline and the contenders whose gain is open
    play on, up to ``extra_rounds`` times the rounds asked for, and the contenders whose order is open, up to the rounds
    asked for. A config that violated a ceiling is out.
    """
    options, asked = plan.options, plan.final_rounds
    before = [each.until(number - 1) for each in finalists]
    kept = [each for each in before if each.kept]
    if number <= min(options.least_rounds, asked):
        playing = {each.trial.id for each in kept}
    else:
        decision = decide(Comparison(before, plan.objective, plan.min_gain, options))
        playing = {each.trial.id for each in decision.contested} if number <= asked else set()
        if decision.open and decision.baseline and number <= options.extra_rounds * asked:
            playing |= {each.trial.id for each in (decision.baseline, *decision.open)}
    return [each for each in finalists if each.trial.id in playing] if len(playing) > 1 else []


def finals_s(trials: Sequence[TrialRecord], plan: StudyPlan, left_s: float = math.inf) -> float:
    """Seconds that a final comparison of the usual size is likely to take, its certificate included.

    Nothing is kept for what the time left is too short for: a round, or even the certificate.
    """
    if not plan.final_rounds:
        return 0.0
    restarts = (plan.options.most_contenders(plan.objective) + 1) * min(plan.options.least_rounds, plan.final_rounds)
    round_s = _median(trial.outcome.seconds for trial in trials if trial.outcome.feasible)
    certificate_s = _certificate_s(trials, plan.options)
    if 2 * round_s + certificate_s <= left_s:
        return restarts * round_s + certificate_s
    return certificate_s if certificate_s <= left_s else 0.0


class FinalComparison:
    """The final comparison of one study; a later run goes on with what was measured before an interruption.

    Args:
        plan: The study.
        record: The study, as stored.
        store: Where runs are kept.
        executor: What runs one.
        environment: Where it runs.
        observer: Who watches.
        on_served: Called with each config as it is served.
        left_s: Seconds left of the time budget; infinite without one.
        incumbent: What the best of the search is estimated to sustain; None if unknown.
        estimates: Trial number to what it is estimated to sustain.
    """

    def __init__(
        self,
        plan: StudyPlan,
        record: StudyRecord,
        store: Store,
        executor: Executor,
        environment: Environment,
        observer: StudyObserver,
        on_served: Callable[[ServedSet], None],
        left_s: Callable[[], float],
        incumbent: float | None,
        estimates: Mapping[int, float],
    ) -> None:
        self._plan = plan
        self._record = record
        self._store = store
        self._executor = executor
        self._environment = environment
        self._observer = observer
        self._on_served = on_served
        self._left_s = left_s
        self._incumbent = incumbent
        self._estimates = estimates
        self._runs: list[TrialRecord] = []

    def run(self, trials: Sequence[TrialRecord]) -> Uncompared | None:
        """Runs the missing rounds and the certificate, as far as the time reaches; why there was no round, if so.

        Raises:
            Interrupted: A person stopped it.
        """
        plan = self._plan
        self._runs = held_after(trials, self._store.runs(self._record))
        chosen = self._chosen(trials)
        if not chosen or not plan.final_rounds:
            return Uncompared.NOT_ASKED if chosen else None
        for number in range(1, plan.options.extra_rounds * plan.final_rounds + 1):
            playing = [each.trial for each in going_on(self._finalists(chosen), number, plan)]
            missing = [trial for trial in playing if not self._has_played(trial, number)]
            if len(chosen) == 1 or not playing or not self._fits(trials, missing):
                break
            share_s = self._share_s(trials, missing, number)
            for trial in missing if number % 2 else reversed(missing):
                for _ in range(_ATTEMPTS):
                    if not self._has_played(trial, number):
                        self._observer.estimated(min(self._left_s(), self._estimate_s(trials, playing)))
                        self._round(trial, number, share_s)
        self._certify(trials)
        finals = self._finals(trials)
        return None if len(chosen) == 1 or (finals and finals.rounds) else Uncompared.NO_TIME

    def _chosen(self, trials: Sequence[TrialRecord]) -> list[TrialRecord]:
        """Who takes part: fewer if the time left is too short for the first rounds of more."""
        plan = self._plan
        chosen: list[TrialRecord] = []
        for contenders in range(plan.options.most_contenders(plan.objective), 0, -1):
            options = replace(plan.options, contenders=contenders)
            chosen = choose(trials, plan.objective, options, self._incumbent, self._estimates, plan.min_gain)
            begun = [trial for trial in trials if any(run.trial_id == trial.id for run in self._runs)]
            if begun:  # by an earlier run of this study: all go on
                return list({trial.id: trial for trial in (*begun, *chosen)}.values())
            first_s = plan.options.least_rounds * self._round_s(chosen)
            if len(chosen) <= 1 or first_s <= self._left_s() - _certificate_s(trials, plan.options):
                break
        return chosen

    def _finalists(self, chosen: Sequence[TrialRecord]) -> list[Finalist]:
        played = {each.trial.id: each for each in finalists_of(chosen, self._runs, self._plan.objective)}
        return [played.get(trial.id, Finalist(trial)) for trial in chosen]

    def _has_played(self, trial: TrialRecord, number: int) -> bool:
        return any(run.role == FINAL and run.trial_id == trial.id and run.round == number for run in self._runs)

    def _fits(self, trials: Sequence[TrialRecord], missing: Sequence[TrialRecord]) -> bool:
        """Whether a round fits into the time left, beside the certificate."""
        left_s = self._left_s()
        return math.isinf(left_s) or self._round_s(missing) <= left_s - _certificate_s(trials, self._plan.options)

    def _round_s(self, playing: Sequence[TrialRecord]) -> float:
        """Seconds that a round takes: as long as the rounds so far, before them at most as long as the trials."""
        taken_s = [
            [run.outcome.seconds for run in self._runs if run.trial_id == trial.id and run.role == FINAL]
            or [trial.outcome.seconds]
            for trial in playing
        ]
        return sum(statistics.median(each) for each in taken_s)

    def _share_s(self, trials: Sequence[TrialRecord], missing: Sequence[TrialRecord], number: int) -> float:
        """Seconds that one config should take in this round, so that the first rounds fit into the time."""
        rounds = max(1, self._plan.options.least_rounds - number + 1)
        left_s = self._left_s() - _certificate_s(trials, self._plan.options)
        return max(left_s, 0.0) / (rounds * max(1, len(missing)))

    def _estimate_s(self, trials: Sequence[TrialRecord], playing: Sequence[TrialRecord]) -> float:
        return self._round_s(playing) + _certificate_s(trials, self._plan.options)

    def _round(self, trial: TrialRecord, number: int, share_s: float) -> None:
        objective = self._plan.objective
        around = score(trial.outcome, objective) if objective.maximise else None
        question = replace(ROUND, around_per_s=around, concurrency=_concurrency(trial), seed=number, share_s=share_s)
        label = f"round {number}, trial {trial.number}"
        self._run(trial, question, FINAL, label, f"-final-{number}", number=number)

    def _certify(self, trials: Sequence[TrialRecord]) -> None:
        """Tests what the delivered config sustains, from a little less than in its lowest round on."""
        plan = self._plan
        finals = self._finals(trials)
        if (finals and finals.certificate) or plan.objective.goal != "throughput":
            return
        if self._left_s() < _certificate_s(trials, plan.options):
            return
        winner = finals.winner if finals else None
        trial = winner.trial if winner else delivered(trials, plan.objective, plan.min_gain)
        if trial is None:
            return
        values = (winner.values if winner else ()) or (score(trial.outcome, plan.objective),)
        rounds = [run for run in self._runs if run.trial_id == trial.id and run.role == FINAL]
        question = Question(
            around_per_s=plan.options.provable * min(values),
            concurrency=_concurrency(rounds[-1] if rounds else trial),
            located=False,
            seed=len(values) + 1,
        )
        self._run(trial, question, CERTIFICATE, f"certificate, trial {trial.number}", "-certificate")

    def _finals(self, trials: Sequence[TrialRecord]) -> Finals | None:
        return finals_of(trials, self._runs, self._plan.objective, self._plan.min_gain, self._plan.options)

    def _run(
        self,
        trial: TrialRecord,
        question: Question,
        role: RunRole,
        label: str,
        repeat: str,
        number: int | None = None,
    ) -> None:
        """Measures a trial's config anew and stores it as ``role``."""
        outcome = trial.outcome
        trial_number = trial.number or 0
        configs = ConfigSet.parse(outcome.configs, f"trial {trial_number}")
        observer = self._observer
        observer.trial_started(trial_number, label, outcome.values)
        watch = TrialWatch(
            on_ready=lambda startup_s: observer.server_ready(trial_number, startup_s),
            on_served=self._on_served,
            on_probe=lambda probe: observer.probed(trial_number, probe),
        )
        question = replace(question, within_s=self._left_s())
        found = self._executor.execute(Trial(trial_number, outcome.candidate, configs, question, repeat), watch)
        run = self._store.save_run(
            model=trial.model,
            label=label,
            outcome=found,
            environment=self._environment,
            role=role,
            study=self._record,
            trial=trial,
            round_number=number,
        )
        if found.kind is OutcomeKind.INTERRUPTED:
            raise Interrupted
        self._runs += held_after((), [run])
        observer.run_finished(label, found)


def _certificate_s(trials: Sequence[TrialRecord], options: SearchOptions) -> float:
    """Seconds to keep for a certificate and the start of its server."""
    return _median(trial.outcome.startup_s for trial in trials) + options.certificate_s


def _median(values: Iterable[float]) -> float:
    seen = [value for value in values if value > 0]
    return statistics.median(seen) if seen else 0.0


def _concurrency(record: TrialRecord) -> int | None:
    """The outstanding requests at which a closed loop met the ceilings; None in an open loop."""
    measured = record.outcome.measurement
    return measured.decided_by.concurrency if measured and measured.decided_by else None
