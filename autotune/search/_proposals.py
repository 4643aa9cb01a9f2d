"""Which config a study tries next: the starts, then what the sampler proposes, and none that teaches nothing new."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from autotune.measurement import ROUGH_RATE, Question
from autotune.outcome import Forecast, TrialOutcome
from autotune.search._ask_tell import AskTell
from autotune.search._crashes import Crashes
from autotune.search._executor import Trial
from autotune.search._experience import Experience
from autotune.search._ignored import IgnoredFields
from autotune.search._observer import StudyObserver
from autotune.search._plan import StudyPlan
from autotune.search._score import BASELINE, PROPOSED
from autotune.search._served import measured_alike
from autotune.search._starts import Start, starts
from autotune.search._wrong_answers import unbatched
from autotune.search.samplers import SpaceExhausted, create_sampler
from autotune.space import Candidate
from autotune.store import Store, StudyRecord, TrialRecord

_EXHAUSTED = "every config of the search space was tried"


@dataclass(frozen=True)
class Proposal:
    """A trial that Optuna knows of and that was not run yet.

    Attributes:
        label: Whose config it is.
        trial: What is executed.
        forecast: What its config is expected to measure; None for a start.
    """

    label: str
    trial: Trial
    forecast: Forecast | None = None


class Proposals:
    """Proposes the trials of one study, and learns from how they end.

    Args:
        plan: What to do.
        store: Where everything is kept.
        record: The study, as stored.
        trials: Its finished trials; the list grows as they end.
        observer: Who watches.
        running: The candidates that are being measured.
        parallel: Whether several trials run at a time.
    """

    def __init__(
        self,
        plan: StudyPlan,
        store: Store,
        record: StudyRecord,
        trials: list[TrialRecord],
        observer: StudyObserver,
        running: Callable[[], list[Candidate]],
        *,
        parallel: bool,
    ) -> None:
        self._plan = plan
        self._base = plan.base
        self._trials = trials
        self._observer = observer
        self._running = running
        self._seen = {trial.outcome.candidate.key for trial in trials if trial.outcome.candidate}
        self._crashes = Crashes(plan.space, plan.base)
        self._ignored = IgnoredFields(plan.space, plan.base, plan.options)
        self._alike: list[Candidate] = []  # not run, because they are served like a trial
        self.experience = Experience(plan, plan.base, store, record, observer)
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
                predictor=self.experience.predictor,
                avoids=self._avoids,
                parallel=parallel,
                running=running,
            ),
        )
        self._learn_what_to_avoid()
        self.close_stale()

    @property
    def tried(self) -> list[Candidate]:
        """The candidates that were measured, or are served like one that was."""
        return [*self._alike, *(trial.outcome.candidate for trial in self._trials if trial.outcome.candidate)]

    def starts(self) -> Iterator[Start]:
        """The starts that were not run yet, each when its turn comes."""
        plan = self._plan
        for start in starts(
            plan.written,
            self._base,
            plan.space,
            simulates=self.experience.simulates,
            ready=self.experience.warm,
            requests=plan.requests,
            asked=tuple(plan.objective.shares),
        ):
            if start.label == BASELINE:
                done = any(trial.label == BASELINE for trial in self._trials)
            elif start.candidate is not None:
                done = start.candidate.key in self._taken() or self._crashes.avoids(start.candidate)
            else:
                done = False
            if not done:
                yield start

    def unbatched(self, running: Sequence[str]) -> Iterator[Start]:
        """The baseline without dynamic batching, unless that was tried or one of these labels is it."""
        start = unbatched(self._base, self._plan.space)
        tried = any(each.label == start.label or each.outcome.configs == start.configs.texts() for each in self._trials)
        if not tried and start.label not in running:  # the model may switch the batcher on again
            yield start

    def next(self, start: Start | None) -> Proposal | str:
        """The next trial: that of a start, or what the sampler proposes; or why there is none."""
        try:
            return self._of_start(start) if start else self._of_sampler()
        except SpaceExhausted:
            return _EXHAUSTED + self._crashes.left_out

    def nothing_left(self) -> str:
        """Why the sampler is asked no more; empty if it is."""
        taken = self._taken()
        if len(taken) >= self._plan.space.size:
            return _EXHAUSTED
        return self.experience.nothing_left_to_win(self._trials, taken, self._avoids)

    def is_alike(self, proposal: Proposal) -> bool:
        """Whether a config is known to be served like an earlier trial's: then its outcome holds for both."""
        trial = proposal.trial
        earlier = measured_alike(trial.configs, self._trials)
        if earlier is None or proposal.label == BASELINE:
            return False
        if trial.candidate is not None:
            self._seen.add(trial.candidate.key)
            self._alike.append(trial.candidate)
        self._optuna.tell(trial.number, proposal.label, earlier.outcome)
        self._observer.note(
            f"trial {trial.number}: Triton serves its config like that of trial {earlier.number}, so it is not measured"
            " again"
        )
        return True

    def finished(self, proposal: Proposal, outcome: TrialOutcome) -> None:
        """Takes how a trial ended that is among the study's now."""
        if proposal.trial.candidate is not None:
            self._seen.add(proposal.trial.candidate.key)
        self._optuna.tell(proposal.trial.number, proposal.label, outcome)
        self._learn_what_to_avoid()

    def abandon(self, proposal: Proposal) -> None:
        """Takes back a trial that was not run to its end; its candidate may be proposed again."""
        self._optuna.abandon(proposal.trial.number)

    def discard(self) -> None:
        """Deletes Optuna's study, in which nothing was found out."""
        self._optuna.discard()

    def close_stale(self) -> None:
        """Closes what an interruption left open."""
        self._optuna.close_stale(self._trials)

    def _of_start(self, start: Start) -> Proposal:
        number = self._optuna.ask_for(start.candidate)
        # All configs are compared with the baseline, so its rate is estimated in any case.
        question = ROUGH_RATE if start.label == BASELINE else self._question()
        question = replace(question, profiled=self.experience.simulates)
        trial = Trial(number, start.candidate, start.configs, question, baseline=start.label == BASELINE)
        return Proposal(start.label, trial)

    def _of_sampler(self) -> Proposal:
        number, candidate = self._optuna.ask()
        configs = self._plan.space.apply(candidate, self._base)
        forecast = self.experience.forecast(candidate)
        question = self._question()
        if forecast and self._plan.objective.maximise:
            question = replace(question, around_per_s=forecast.expected, concurrency=forecast.concurrency)
        return Proposal(PROPOSED, Trial(number, candidate, configs, question), forecast)

    def _question(self) -> Question:
        return replace(ROUGH_RATE, beat_per_s=self._to_beat())

    def _to_beat(self) -> float | None:
        """What the next config has to sustain: hardly less than the best so far; None where there is none yet.

        The best of several single measurements is mostly a lucky one. What comes close to it is located as well, and
        compared with it in the finals: asked for a little more, the best config of recorded grids often lost its race
        (`benchmarks/replay`).
        """
        best = self.experience.best_value(self._trials)
        if best is None or not self._plan.objective.maximise or self._plan.objective.also:
            return None
        return best * (1 - max(self._plan.min_gain, self._plan.objective.within))

    def _taken(self) -> set[str]:
        """Keys of the candidates that were measured or are being measured."""
        return self._seen | {candidate.key for candidate in self._running()}

    def _learn_what_to_avoid(self) -> None:
        for about in (self._crashes, self._ignored):
            if news := about.learn(self._trials):
                self._observer.note(news)

    def _avoids(self, candidate: Candidate) -> bool:
        return self._crashes.avoids(candidate) or self._ignored.avoids(candidate)


def startup_trials(trials: int | None) -> int:
    """How many random trials TPE starts from: a quarter of a small budget, Optuna's 10 at most."""
    return 10 if trials is None else max(3, min(10, trials // 4))
