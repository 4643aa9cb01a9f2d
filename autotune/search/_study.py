"""The coordinator: runs a study's trials, as many at a time as there are workers, then its finals.

It alone touches the study and the store. Whoever executes a trial gets a config and returns an outcome.
"""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from autotune.environment import Environment
from autotune.errors import UsageError
from autotune.measurement import Infeasible, Question
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.prediction import explain
from autotune.repository import ConfigSet
from autotune.search._executor import Executor, TrialWatch
from autotune.search._observer import StudyObserver
from autotune.search._plan import StudyPlan
from autotune.search._proposals import Proposal, Proposals
from autotune.search._repeated_failures import MachineCheck
from autotune.search._result import StudyResult, summarise
from autotune.search._score import BASELINE, PROPOSED
from autotune.search._served import ChangeNotes, as_served
from autotune.search._starts import Start
from autotune.search._stopping import answered_by_cache, enough_trials, failing_alike, out_of_time, unpromising
from autotune.search._workers import OneWorker, Workers
from autotune.search.finals import FinalComparison, Interrupted, Uncompared, finals_s, searched_front
from autotune.space import Candidate
from autotune.store import Store, StudyRecord, TrialRecord


class Coordinator:
    """Runs one study to its end.

    Args:
        plan: What to do.
        store: Where everything is kept.
        executor: What runs a trial.
        environment: Where it runs.
        observer: Who watches.
        clock: Monotonic seconds.
        workers: What runs the search's trials, several at a time; by default the executor, one at a time.
    """

    def __init__(
        self,
        plan: StudyPlan,
        store: Store,
        executor: Executor,
        environment: Environment,
        observer: StudyObserver,
        clock: Callable[[], float] = time.monotonic,
        workers: Workers | None = None,
    ) -> None:
        self._plan = plan
        self._store = store
        self._executor = executor
        self._workers = workers or OneWorker(executor)
        self._running: dict[int, Proposal] = {}  # by trial number
        self._observer = observer
        self._record, notes = self._begin(environment)
        for note in notes:
            observer.note(note)
        self._trials: list[TrialRecord] = [trial.slim() for trial in store.trials(self._record)]
        self._noted: set[str] = set()
        self._proposals = Proposals(
            plan,
            store,
            self._record,
            self._trials,
            observer,
            self._running_candidates,
            parallel=self._workers.count > 1,
        )
        self._on_served = ChangeNotes(observer)
        self._environment = environment
        self._machine = MachineCheck(executor, observer.note, self._save_again, plan.options.failures)
        self._clock = clock
        self._started = clock()

    def run(self) -> StudyResult:
        """Runs trials until the plan is fulfilled, the space is exhausted or a person interrupts."""
        self._observer.study_started(self._plan.name, len(self._trials), self._wanted(), self._plan.objective)
        stopped, interrupted, broken = self._run_trials()
        try:
            if not interrupted:
                self._proposals.experience.learn(self._trials)
        except KeyboardInterrupt:
            interrupted = True
        search_s = self._clock() - self._started
        uncompared = Uncompared.BROKEN if broken else Uncompared.INTERRUPTED if interrupted else self._compare()
        return replace(self._explained(stopped, search_s=search_s, uncompared=uncompared), broken=broken)

    def _explained(self, stopped: str, *, search_s: float, uncompared: Uncompared | None) -> StudyResult:
        """What the trials and the finals amount to, and why, which is stored."""
        plan = self._plan
        result = summarise(
            study=plan.name,
            model=plan.spec.name,
            objective=plan.objective,
            trials=self._trials,
            runs=self._store.runs(self._record),
            min_gain=plan.min_gain,
            storage=self._store.url,
            stopped=stopped,
            search_s=search_s,
            seconds=self._clock() - self._started,
            interrupted=uncompared is Uncompared.INTERRUPTED,
            uncompared=uncompared,
        )
        predictor = self._proposals.experience.predictor
        explanation = explain(
            plan.space,
            plan.base,
            plan.objective,
            {trial.number: as_served(trial.outcome, plan.space) for trial in self._trials if trial.number is not None},
            winner=result.best.number if result.best else None,
            predictor=None if result.interrupted else predictor,  # a person wants it to end now
            min_gain=plan.min_gain,
            tried=self._proposals.tried,
        )
        if result.interrupted and predictor is not None:
            explanation = replace(explanation, not_simulated="the run was interrupted")
        self._store.save_explanation(self._record, explanation)
        return replace(result, explanation=explanation)

    def _run_trials(self) -> tuple[str, bool, bool]:
        """Why no more trials were run, whether a person wanted so, and whether nothing works any more."""
        waiting = self._proposals.starts()
        unfinished: TrialOutcome | None = None
        try:
            while True:
                stop, broken, waiting = self._submit(waiting) if unfinished is None else ("", False, waiting)
                if broken:
                    self._give_up()
                    return stop, False, True
                if not self._running:
                    if unfinished is not None:
                        stop = unfinished.message
                    return stop, unfinished is not None and unfinished.kind is OutcomeKind.INTERRUPTED, False
                outcome = self._finish_next()
                if outcome.kind.unfinished:
                    unfinished = outcome
                    if outcome.kind is OutcomeKind.INTERRUPTED:
                        self._give_up()
                elif outcome.kind is OutcomeKind.WRONG_ANSWERS:
                    running = [each.label for each in self._running.values()]
                    waiting = itertools.chain(self._proposals.unbatched(running), waiting)
        except KeyboardInterrupt:  # between two trials
            self._give_up()
            self._proposals.close_stale()
            return "interrupted", True, False

    def _submit(self, waiting: Iterator[Start]) -> tuple[str, bool, Iterator[Start]]:
        """Submits trials until all workers have one, or there is a reason not to.

        Returns:
            The reason, empty if all have one; whether nothing works any more; the starts that are left.
        """
        while len(self._running) < self._workers.count:
            start = next(waiting, None)
            if start is None:  # nobody asks before what the starts teach
                self._proposals.experience.learn(self._trials)
            if broken := self._machine.diagnosis(self._trials):
                return broken, True, waiting
            stop = self._reason_to_stop(before_search=start is not None)
            if stop or (start is None and self._running and self._proposals.experience.awaits_starts):
                return stop, False, waiting if start is None else itertools.chain((start,), waiting)
            self._estimate()
            proposal = self._proposals.next(start)
            if isinstance(proposal, str):
                return proposal, False, waiting
            if not self._proposals.is_alike(proposal):
                self._start(proposal)
        return "", False, waiting

    def _give_up(self) -> None:
        """Gives up the trials that are running; their candidates may be proposed again."""
        self._workers.cancel()
        for proposal in self._running.values():
            self._proposals.abandon(proposal)
        self._running.clear()

    def _running_candidates(self) -> list[Candidate]:
        return [each.trial.candidate for each in self._running.values() if each.trial.candidate is not None]

    def _compare(self) -> Uncompared | None:
        """Makes the final comparison; why there was none, or none to its end."""
        plan = self._plan
        comparison = FinalComparison(
            plan,
            self._record,
            self._store,
            self._executor,
            self._environment,
            self._observer,
            self._on_served,
            left_s=self._left_s,
            incumbent=self._proposals.experience.best_value(self._trials),
            estimates=self._proposals.experience.estimates(self._trials),
        )
        try:
            return comparison.run(self._trials)
        except (Interrupted, KeyboardInterrupt):
            return Uncompared.INTERRUPTED

    def _estimate(self) -> None:
        """Tells how long the rest takes at most; the search may end earlier."""
        plan = self._plan
        left_s = self._left_s()
        wanted = self._wanted()
        if wanted is not None and self._trials:
            trial_s = statistics.fmean(trial.outcome.seconds for trial in self._trials)
            search_s = (wanted - len(self._trials)) * trial_s / self._workers.count
            left_s = min(left_s, search_s + finals_s(self._trials, plan))
        if math.isfinite(left_s):
            self._observer.estimated(max(0.0, left_s))

    def _elapsed_s(self) -> float:
        return self._clock() - self._started

    def _left_s(self) -> float:
        """Seconds left of the time budget; infinite without one."""
        budget_s = self._plan.time_budget_s
        return math.inf if budget_s is None else budget_s - self._elapsed_s()

    def _note(self, text: str) -> None:
        """Notes a text once."""
        if text not in self._noted:
            self._noted.add(text)
            self._observer.note(text)

    def _start(self, proposal: Proposal) -> None:
        """Submits a trial. It has to beat the best so far; what is found meanwhile does not change that."""
        observer, number = self._observer, proposal.trial.number
        trial = replace(proposal.trial, question=self._in_time(proposal.trial.question))
        self._running[number] = replace(proposal, trial=trial)
        try:
            observer.trial_started(number, proposal.label, trial.candidate)
            watch = TrialWatch(
                on_ready=lambda startup_s: observer.server_ready(number, startup_s),
                on_served=self._on_served,
                on_probe=lambda probe: observer.probed(number, probe),
                on_note=self._note,
            )
            self._workers.submit(trial, watch)
        except BaseException:
            self._give_up()
            raise

    def _finish_next(self) -> TrialOutcome:
        """Waits for the next trial that ends, stores it and reports it to Optuna.

        An error of ours closes all that are running as failed.
        """
        try:
            ended = self._workers.wait()
        except BaseException as error:
            self._give_up()
            if isinstance(error, UsageError) and not self._trials:  # the request was at fault: nothing was found out
                self._proposals.discard()
            raise
        proposal = self._running.pop(ended.number)
        label, trial, outcome = proposal.label, proposal.trial, ended.outcome
        if outcome.differences and trial.candidate is not None:
            served = ConfigSet.parse(outcome.configs, "served")
            values = self._plan.space.as_served(trial.candidate, trial.configs, served)
            outcome = replace(outcome, served_values=values if values != trial.candidate else None)
        if label == PROPOSED:  # the starts are what predictions are learnt from
            outcome = replace(outcome, forecast=proposal.forecast)
        record = self._store.save_trial(self._record, trial.number, label, outcome).slim()
        if outcome.kind.unfinished:
            self._proposals.abandon(proposal)
            return outcome
        self._trials.append(record)  # before Optuna has it: an interruption in between is mended from here
        self._proposals.finished(proposal, outcome)
        if label == BASELINE and outcome.measurement and outcome.measurement.infeasible is Infeasible.MEMORY:
            self._note(
                f"the baseline itself violates {', '.join(map(str, self._plan.objective.memory_limits))}; only smaller"
                " batches or fewer instances may meet it"
            )
        self._observer.trial_finished(trial.number, outcome, trial.number in self._best_numbers())
        return outcome

    def _best_numbers(self) -> set[int | None]:
        """The number of the best trial so far; of several objectives those of the Pareto front."""
        if self._plan.objective.also:
            return {each.trial.number for each in searched_front(self._trials, self._plan.objective, 0.0)}
        best = self._proposals.experience.incumbent.of(self._trials)
        return {best.number} if best is not None else set()

    def _in_time(self, question: Question) -> Question:
        """The question with the time left, and the part of it that one config should take."""
        budget_s, options = self._plan.time_budget_s, self._plan.options
        if budget_s is None:
            return question
        share_s = options.search_part * budget_s * self._workers.count / options.least_configs
        return replace(question, within_s=self._left_s(), share_s=share_s)

    def _save_again(self, trial: TrialRecord, outcome: TrialOutcome) -> None:
        self._store.save_run(
            model=self._plan.spec.name,
            label=trial.label,
            outcome=outcome,
            environment=self._environment,
            role="again",
            study=self._record,
            trial=trial,
        )

    def _begin(self, environment: Environment) -> tuple[StudyRecord, tuple[str, ...]]:
        plan = self._plan
        return self._store.begin_study(
            plan.name,
            model=plan.spec.name,
            objective=plan.objective,
            space_digest=plan.space.digest,
            space_text="\n".join(f"{name}: {choices}" for name, choices in plan.space.describe()),
            base_config="\n".join(plan.written.texts().values()),
            conditions=plan.conditions,
            environment=environment,
            files=plan.files,
            repository=str(plan.spec.path.parent.absolute()),
        )

    def _wanted(self) -> int | None:
        """Trials the study should have in all; None where only the time budget bounds them."""
        return None if self._plan.trials is None else min(self._plan.trials, self._plan.space.size + 1)

    def _reason_to_stop(self, *, before_search: bool) -> str:
        """Why no further trial should start; empty to go on."""
        plan, trials, left_s = self._plan, self._trials, self._left_s()
        stop = (
            enough_trials(len(trials), len(self._running), plan.trials)
            or failing_alike(trials, plan.options)
            or unpromising(trials, plan.options)
            or answered_by_cache(trials, plan.options)
            or self._proposals.experience.nothing_keeps(trials)
            or out_of_time(trials, plan.time_budget_s, left_s, finals_s(trials, plan, left_s), plan.options)
        )
        return stop or ("" if before_search else self._proposals.nothing_left())
