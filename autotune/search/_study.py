"""The coordinator: drives an Optuna study through ask/tell, one trial at a time.

It alone touches the study and the store. Whoever executes a trial gets a config and returns an outcome.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import optuna

from autotune.environment import Environment
from autotune.objective import Objective
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.repository import ModelConfig, ModelSpec, completed_config
from autotune.search._executor import Executor, Trial, TrialWatch
from autotune.search._observer import StudyObserver
from autotune.search._result import (
    BASELINE,
    MIN_GAIN,
    PROPOSED,
    StudyResult,
    best_of,
    constraint_values,
    score,
    summarise,
)
from autotune.search._sampler import CONSTRAINTS_ATTR, SpaceExhausted, create_sampler
from autotune.space import Candidate, SearchSpace
from autotune.store import Store, StudyRecord, TrialRecord

_FAILURES_ALIKE = 3
_EXHAUSTED = "every config of the search space was tried"
TRITON_DEFAULT = "Triton's default batching"
LARGEST_BATCH = "largest batch"


@dataclass(frozen=True)
class StudyPlan:
    """What a study is to do.

    Attributes:
        name: The study's name; an existing study of that name is resumed.
        spec: The model.
        space: What may be changed.
        objective: What is looked for.
        sampler: ``tpe``, ``random``, ``grid`` or ``gp``.
        seed: Seed of the sampler and of the load's schedules.
        trials: Finished trials the study should have in all; None for no limit.
        time_budget_s: Wall time this run may take; None for no limit.
        conditions: How configs are loaded and measured, in words; trials under other conditions cannot be compared.
    """

    name: str
    spec: ModelSpec
    space: SearchSpace
    objective: Objective
    sampler: str
    seed: int
    trials: int | None
    time_budget_s: float | None
    conditions: str = ""


@dataclass(frozen=True)
class _Start:
    """A trial that is run before the sampler is asked."""

    label: str
    config: ModelConfig
    candidate: Candidate | None


class Coordinator:
    """Runs one study to its end.

    Args:
        plan: What to do.
        store: Where everything is kept.
        executor: What runs a trial.
        environment: Where it runs.
        observer: Who watches.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        plan: StudyPlan,
        store: Store,
        executor: Executor,
        environment: Environment,
        observer: StudyObserver,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plan = plan
        self._store = store
        self._executor = executor
        self._observer = observer
        # What Triton would complete is spelt out: it would put back the batcher that a candidate leaves out.
        self._base = completed_config(plan.spec)
        self._record, notes = self._begin(environment)
        for note in notes:
            observer.note(note)
        self._trials: list[TrialRecord] = store.trials(self._record)
        self._seen = {trial.outcome.candidate.key for trial in self._trials if trial.outcome.candidate}
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # progress is the observer's to show
        self._study = optuna.create_study(
            study_name=plan.name,
            storage=store.optuna_storage(),
            direction="maximize" if plan.objective.maximise else "minimize",
            sampler=create_sampler(
                plan.sampler,
                plan.space,
                seed=plan.seed,
                startup_trials=startup_trials(plan.trials),
                finished=self._seen,
            ),
            load_if_exists=True,
        )
        with warnings.catch_warnings():  # naming the metric for the dashboard is experimental in Optuna
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._study.set_metric_names([_metric_name(plan.objective)])
        self._close_stale_trials()
        self._clock = clock
        self._started = clock()

    def run(self) -> StudyResult:
        """Runs trials until the plan is fulfilled, the space is exhausted or a person interrupts."""
        self._observer.study_started(self._plan.name, len(self._trials), self._wanted())
        stopped, interrupted = self._run_trials()
        return summarise(
            study=self._plan.name,
            model=self._plan.spec.name,
            objective=self._plan.objective,
            trials=self._trials,
            storage=self._store.url,
            stopped=stopped,
            seconds=self._clock() - self._started,
            interrupted=interrupted,
        )

    def _run_trials(self) -> tuple[str, bool]:
        """Why no more trials were run, and whether a person wanted so."""
        starts = self._starts()
        try:
            while True:
                stop = self._reason_to_stop()
                if stop:
                    return stop, False
                start = next(starts, None)
                if start is None and len(self._seen) >= self._plan.space.size:
                    return _EXHAUSTED, False
                asked, label, trial = self._ask_for(start) if start else self._ask_sampler()
                if self._execute(asked, label, trial).kind is OutcomeKind.INTERRUPTED:
                    return "interrupted", True
        except SpaceExhausted:
            return _EXHAUSTED, False
        except KeyboardInterrupt:  # between two trials
            self._close_stale_trials()
            return "interrupted", True

    def _starts(self) -> Iterator[_Start]:
        """The person's own config, then Triton's default batching, as it is and with the largest batch.

        Plain batching at the space's largest batch is where throughput is mostly found; a few random trials
        seldom come upon it.
        """
        plan = self._plan
        if not any(trial.label == BASELINE for trial in self._trials):
            yield _Start(BASELINE, plan.spec.config, plan.space.locate(self._base))
        for label, largest in ((TRITON_DEFAULT, False), (LARGEST_BATCH, True)):
            default = plan.space.triton_default(self._base, largest_batch=largest)
            if default is not None and default.key not in self._seen:
                yield _Start(label, plan.space.apply(default, self._base), default)

    def _ask_for(self, start: _Start) -> tuple[optuna.Trial, str, Trial]:
        if start.candidate is None:
            asked = self._study.ask()
        else:
            self._study.enqueue_trial(self._plan.space.optuna_params(start.candidate))
            asked = self._study.ask(self._plan.space.distributions())
        return asked, start.label, Trial(asked.number, start.candidate, start.config, self._to_beat())

    def _ask_sampler(self) -> tuple[optuna.Trial, str, Trial]:
        asked = self._study.ask(self._plan.space.distributions())
        candidate = self._plan.space.canonical(asked.params)
        config = self._plan.space.apply(candidate, self._base)
        return asked, PROPOSED, Trial(asked.number, candidate, config, self._to_beat())

    def _to_beat(self) -> float | None:
        """What the next config has to carry: a little more than the best so far; None where there is none yet."""
        best = best_of(self._trials, self._plan.objective)
        if best is None or not self._plan.objective.maximise:
            return None
        return score(best.outcome, self._plan.objective) * (1 + MIN_GAIN)

    def _execute(self, asked: optuna.Trial, label: str, trial: Trial) -> TrialOutcome:
        """Executes one trial, stores it and tells the study; an error of ours closes the trial as failed."""
        observer = self._observer
        observer.trial_started(trial.number, label, trial.candidate)
        watch = TrialWatch(
            on_ready=lambda startup_s: observer.server_ready(trial.number, startup_s),
            on_probe=lambda probe: observer.probed(trial.number, probe),
        )
        try:
            outcome = self._executor.execute(trial, watch)
        except BaseException:
            self._study.tell(asked, state=optuna.trial.TrialState.FAIL)
            raise
        record = self._store.save_trial(self._record, trial.number, label, outcome)
        if outcome.kind is OutcomeKind.INTERRUPTED:
            self._study.tell(asked, state=optuna.trial.TrialState.FAIL)
            return outcome
        self._trials.append(record)  # before it is told: an interruption in between is mended from here
        if trial.candidate is not None:
            self._seen.add(trial.candidate.key)
        self._tell(asked, label, outcome)
        best = best_of(self._trials, self._plan.objective)
        observer.trial_finished(trial.number, outcome, best is not None and best.number == trial.number)
        return outcome

    def _tell(self, asked: optuna.Trial, label: str, outcome: TrialOutcome) -> None:
        measured = outcome.measurement
        asked.set_user_attr("label", label)
        asked.set_user_attr("outcome", outcome.kind.value)
        if outcome.message:
            asked.set_user_attr("message", outcome.message[:500])
        for statistic, seconds in (measured.latency_s if measured else {}).items():
            asked.set_user_attr(f"{statistic} (ms)", round(seconds * 1e3, 4) if seconds < float("inf") else "inf")
        asked.set_user_attr(CONSTRAINTS_ATTR, list(constraint_values(outcome, self._plan.objective)))
        self._study.tell(asked, score(outcome, self._plan.objective))

    def _begin(self, environment: Environment) -> tuple[StudyRecord, tuple[str, ...]]:
        plan = self._plan
        return self._store.begin_study(
            plan.name,
            model=plan.spec.name,
            objective=plan.objective,
            space_digest=plan.space.digest,
            space_text="\n".join(f"{name}: {choices}" for name, choices in plan.space.describe()),
            base_config=plan.spec.config.to_text(),
            conditions=plan.conditions,
            environment=environment,
        )

    def _close_stale_trials(self) -> None:
        """Closes trials that an interruption left running, with their outcome where it was stored already.

        Ask/tell has no heartbeat: without this they would look like trials that still run.
        """
        stored = {record.number: record for record in self._trials}
        for stale in self._study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
            trial = optuna.Trial(self._study, stale._trial_id)
            record = stored.get(stale.number)
            if record is not None:
                self._tell(trial, record.label, record.outcome)
            else:
                self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        for enqueued in self._study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.WAITING,)):
            # Enqueued but never asked for; whoever needs it enqueues it again.
            self._study._storage.set_trial_state_values(enqueued._trial_id, optuna.trial.TrialState.FAIL)

    def _wanted(self) -> int | None:
        """Trials the study should have in all; None where only the time budget bounds them."""
        return None if self._plan.trials is None else min(self._plan.trials, self._plan.space.size + 1)

    def _reason_to_stop(self) -> str:
        """Why no further trial should start; empty to go on."""
        plan = self._plan
        if plan.trials is not None and len(self._trials) >= plan.trials:
            return f"{len(self._trials)} trial{'' if len(self._trials) == 1 else 's'} done"
        alike = _failing_alike(self._trials)
        if alike:
            return f"the first {len(self._trials)} configs failed alike, your own included: {alike}"
        if plan.time_budget_s is not None:
            elapsed_s = self._clock() - self._started
            typical_s = max((trial.outcome.seconds for trial in self._trials[-3:]), default=0.0)
            if elapsed_s + typical_s > plan.time_budget_s:
                return f"the time budget leaves no room for another trial (recent ones took up to {typical_s:.0f} s)"
        return ""


def _failing_alike(trials: Sequence[TrialRecord]) -> str:
    """Why nothing was ever measured, where the first trials all failed with the same words: no config can mend it."""
    messages = {trial.outcome.message for trial in trials}
    unmeasured = all(trial.outcome.measurement is None for trial in trials)
    return messages.pop() if unmeasured and len(trials) >= _FAILURES_ALIKE and len(messages) == 1 else ""


def _metric_name(objective: Objective) -> str:
    return "inferences per second" if objective.maximise else f"{objective.optimised_statistic} in seconds"


def startup_trials(trials: int | None) -> int:
    """How many random trials TPE starts from: a quarter of a small budget, Optuna's 10 at most."""
    return 10 if trials is None else max(3, min(10, trials // 4))
