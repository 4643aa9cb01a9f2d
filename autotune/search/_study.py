"""The coordinator: runs a study's trials one at a time, then its finals.

It alone touches the study and the store. Whoever executes a trial gets a config and returns an outcome.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import compress

import optuna

from autotune.environment import Environment
from autotune.measurement import LOCATED_RATE, Question
from autotune.objective import Objective
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.prediction import Predictor
from autotune.repository import ModelSpec, completed_config
from autotune.search._ask_tell import AskTell
from autotune.search._executor import Executor, Trial, TrialWatch
from autotune.search._final_rounds import CERTIFICATE_S, MOST_CONTENDERS, FinalRounds, Interrupted
from autotune.search._observer import StudyObserver
from autotune.search._result import StudyResult, summarise
from autotune.search._score import BASELINE, MIN_GAIN, PROPOSED, best_of, score
from autotune.search._starts import Start, starts
from autotune.search._stopping import enough_trials, failing_alike, hopeless, measured_s, out_of_time
from autotune.search.samplers import MODEL, SpaceExhausted, create_sampler
from autotune.space import SearchSpace
from autotune.store import Store, StudyRecord, TrialRecord

_EXHAUSTED = "every config of the search space was tried"


@dataclass(frozen=True)
class StudyPlan:
    """What a study is to do.

    Attributes:
        name: The study's name; an existing study of that name is resumed.
        spec: The model.
        space: What may be changed.
        objective: What is looked for.
        sampler: ``model``, ``tpe``, ``random``, ``grid`` or ``gp``.
        seed: Seed of the sampler and of the load's schedules.
        trials: Finished trials the study should have in all; None for no limit.
        time_budget_s: Wall time this run may take; None for no limit.
        conditions: How configs are loaded and measured, in words; trials under other conditions cannot be compared.
        min_gain: By what fraction a config must beat the best so far to matter: less is not looked for.
        final_rounds: Rounds of the finals, on fresh servers in turns; 0 for no finals.
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
    min_gain: float = MIN_GAIN
    final_rounds: int = 3


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
        self._predictor = (
            Predictor(plan.space, self._base, plan.objective, plan.seed) if plan.sampler == MODEL else None
        )
        if self._predictor and self._predictor.inapplicable:
            observer.note(f"--sampler {MODEL}: {self._predictor.inapplicable}; proposing by tpe instead")
        self._optuna = AskTell(
            plan.name,
            store.optuna_storage(),
            plan.space,
            plan.objective,
            create_sampler(
                plan.sampler,
                plan.space,
                seed=plan.seed,
                startup_trials=startup_trials(plan.trials),
                finished=self._seen,
                predictor=self._predictor,
            ),
        )
        self._optuna.close_stale(self._trials)
        self._environment = environment
        self._clock = clock
        self._started = clock()

    def run(self) -> StudyResult:
        """Runs trials until the plan is fulfilled, the space is exhausted or a person interrupts."""
        self._observer.study_started(self._plan.name, len(self._trials), self._wanted())
        stopped, interrupted = self._run_trials()
        search_s = self._clock() - self._started
        if not interrupted:
            interrupted = not self._hold_finals()
        return summarise(
            study=self._plan.name,
            model=self._plan.spec.name,
            objective=self._plan.objective,
            trials=self._trials,
            runs=self._store.runs(self._record),
            min_gain=self._plan.min_gain,
            storage=self._store.url,
            stopped=stopped,
            search_s=search_s,
            seconds=self._clock() - self._started,
            interrupted=interrupted,
        )

    def _run_trials(self) -> tuple[str, bool]:
        """Why no more trials were run, and whether a person wanted so."""
        waiting = self._starts()
        self._learn()
        try:
            while True:
                start = next(waiting, None)
                stop = self._reason_to_stop(before_search=start is not None)
                if stop:
                    return stop, False
                asked, label, trial = self._ask_for(start) if start else self._ask_sampler()
                if self._execute(asked, label, trial).kind is OutcomeKind.INTERRUPTED:
                    return "interrupted", True
        except SpaceExhausted:
            return _EXHAUSTED, False
        except KeyboardInterrupt:  # between two trials
            self._optuna.close_stale(self._trials)
            return "interrupted", True

    def _hold_finals(self) -> bool:
        """Whether the finals came to their end; a person may stop them."""
        plan = self._plan
        finals = FinalRounds(
            study=self._record,
            store=self._store,
            executor=self._executor,
            environment=self._environment,
            observer=self._observer,
            objective=plan.objective,
            min_gain=plan.min_gain,
            rounds=plan.final_rounds,
            left_s=lambda: math.inf if plan.time_budget_s is None else plan.time_budget_s - self._elapsed_s(),
        )
        try:
            finals.hold(self._trials)
        except (Interrupted, KeyboardInterrupt):
            return False
        return True

    def _finals_s(self) -> float:
        """Seconds that the finals are likely to take."""
        rounds = self._plan.final_rounds
        return rounds * MOST_CONTENDERS * measured_s(self._trials) + CERTIFICATE_S if rounds else 0.0

    def _elapsed_s(self) -> float:
        return self._clock() - self._started

    def _starts(self) -> Iterator[Start]:
        """Those that were not run yet, each when its turn comes."""
        plan = self._plan
        for start in starts(plan.spec, self._base, plan.space, most_instances=self._predicts):
            if start.label == BASELINE:
                done = any(trial.label == BASELINE for trial in self._trials)
            else:
                done = start.candidate is not None and start.candidate.key in self._seen
            if not done:
                yield start

    @property
    def _predicts(self) -> bool:
        return self._predictor is not None and not self._predictor.inapplicable

    def _ask_for(self, start: Start) -> tuple[optuna.Trial, str, Trial]:
        asked = self._optuna.ask_for(start.candidate)
        question = replace(self._question(), profiled=self._predicts)
        return asked, start.label, Trial(asked.number, start.candidate, start.config, question)

    def _ask_sampler(self) -> tuple[optuna.Trial, str, Trial]:
        asked, candidate = self._optuna.ask()
        config = self._plan.space.apply(candidate, self._base)
        return asked, PROPOSED, Trial(asked.number, candidate, config, self._question())

    def _question(self) -> Question:
        return replace(LOCATED_RATE, beat_per_s=self._to_beat())

    def _to_beat(self) -> float | None:
        """What the next config has to carry: a little more than the best so far; None where there is none yet."""
        best = best_of(self._trials, self._plan.objective)
        if best is None or not self._plan.objective.maximise:
            return None
        return score(best.outcome, self._plan.objective) * (1 + self._plan.min_gain)

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
            self._optuna.abandon(asked)
            raise
        if self._predictor is not None:
            outcome = replace(outcome, forecast=self._predictor.forecast(trial.candidate))
        record = self._store.save_trial(self._record, trial.number, label, outcome)
        if outcome.kind is OutcomeKind.INTERRUPTED:
            self._optuna.abandon(asked)
            return outcome
        self._trials.append(record)  # before it is told: an interruption in between is mended from here
        if trial.candidate is not None:
            self._seen.add(trial.candidate.key)
        self._optuna.tell(asked, label, outcome)
        self._learn()
        best = best_of(self._trials, self._plan.objective)
        observer.trial_finished(trial.number, outcome, best is not None and best.number == trial.number)
        return outcome

    def _learn(self) -> None:
        """Brings what is predicted up to date with the trials."""
        if self._predictor is None or not self._trials:
            return
        doubted = self._predictor.doubt
        self._predictor.learn([trial.outcome for trial in self._trials])
        if self._predictor.doubt and not doubted:
            self._observer.note(f"the simulation is set aside: {self._predictor.doubt}; proposing by tpe instead")

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

    def _wanted(self) -> int | None:
        """Trials the study should have in all; None where only the time budget bounds them."""
        return None if self._plan.trials is None else min(self._plan.trials, self._plan.space.size + 1)

    def _reason_to_stop(self, *, before_search: bool) -> str:
        """Why no further trial should start; empty to go on."""
        plan, trials = self._plan, self._trials
        stop = (
            enough_trials(trials, plan.trials)
            or failing_alike(trials)
            or hopeless(trials)
            or out_of_time(trials, self._elapsed_s(), plan.time_budget_s, self._finals_s())
        )
        if stop or before_search:
            return stop
        return _EXHAUSTED if len(self._seen) >= plan.space.size else self._nothing_left_to_win()

    def _nothing_left_to_win(self) -> str:
        """That no config that is left can plausibly beat the best by more than is asked for."""
        best = best_of(self._trials, self._plan.objective)
        predictor = self._predictor
        if predictor is None or best is None or not predictor.ready or predictor.doubt:
            return ""
        may_win = predictor.may_win(score(best.outcome, self._plan.objective), self._plan.min_gain)
        if any(candidate.key not in self._seen for candidate in compress(predictor.candidates, may_win)):
            return ""
        return f"no config that is left can plausibly beat the best by more than {self._plan.min_gain:.0%}"


def startup_trials(trials: int | None) -> int:
    """How many random trials TPE starts from: a quarter of a small budget, Optuna's 10 at most."""
    return 10 if trials is None else max(3, min(10, trials // 4))
