"""Runs the finals: rounds on fresh servers in turns, then a certificate for the winner."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from autotune.environment import Environment
from autotune.measurement import ROUGH_RATE, Question
from autotune.objective import Objective
from autotune.outcome import OutcomeKind
from autotune.repository import ModelConfig
from autotune.search._executor import Executor, Trial, TrialWatch
from autotune.search._finals import CERTIFICATE, FINAL, Finalist, contenders, finals_of, undecided
from autotune.search._observer import StudyObserver
from autotune.search._score import score
from autotune.store import RunRole, Store, StudyRecord, TrialRecord

MOST_CONTENDERS = 3
_MORE_ROUNDS = 2
_ROUND_EFFORT = 0.5
_CERTIFICATE_EFFORT = 2.0
CERTIFICATE_S = 25.0
"""Seconds to set aside for a certificate."""


class Interrupted(Exception):
    """A person stopped the finals."""


@dataclass(frozen=True)
class FinalRounds:
    """Holds the finals of one study; what was measured before an interruption is gone on from.

    Attributes:
        study: Whose finals they are.
        store: Where runs are kept.
        executor: What runs one.
        environment: Where it runs.
        observer: Who watches.
        objective: What is looked for.
        min_gain: By what fraction a config must be better to matter.
        rounds: Rounds to hold; two more where a difference worth having is not significant by then.
        left_s: Seconds that are left of the time budget; infinite without one.
    """

    study: StudyRecord
    store: Store
    executor: Executor
    environment: Environment
    observer: StudyObserver
    objective: Objective
    min_gain: float
    rounds: int
    left_s: Callable[[], float]

    def hold(self, trials: Sequence[TrialRecord]) -> None:
        """Runs what is wanting of the finals, as far as the time reaches.

        Raises:
            Interrupted: A person stopped them.
        """
        chosen = self._chosen(trials)
        if not chosen or not self.rounds:
            return
        rounds = self._affordable(chosen)
        for number in range(1, rounds + _MORE_ROUNDS + 1):
            if number > rounds and not self._undecided(trials, chosen):
                break
            for trial in chosen if number % 2 else reversed(chosen):
                if self._rounds_of(trial) < number:
                    self._estimate(chosen, max(rounds, number) - number + 1)
                    self._round(trial, number, max(rounds, number))
        self._certify(trials)

    def _chosen(self, trials: Sequence[TrialRecord]) -> list[TrialRecord]:
        """Who takes part: fewer where the time left is short."""
        for most in range(MOST_CONTENDERS, 0, -1):
            chosen = contenders(trials, self.objective, most)
            if len(chosen) <= 1 or self._affordable(chosen) >= min(2, self.rounds):
                break
        return chosen

    def _affordable(self, chosen: Sequence[TrialRecord]) -> int:
        """Rounds that fit into the time left, beside the certificate."""
        if len(chosen) == 1:
            return 0  # nothing to compare it with
        left_s = self.left_s() - CERTIFICATE_S
        if math.isinf(left_s):
            return self.rounds
        return max(0, min(self.rounds, int(left_s / self._round_s(chosen))))

    def _round_s(self, chosen: Sequence[TrialRecord]) -> float:
        return sum(statistics.median((trial.outcome.seconds, *self._seconds_of(trial))) for trial in chosen)

    def _estimate(self, chosen: Sequence[TrialRecord], rounds: int) -> None:
        self.observer.estimated(min(self.left_s(), rounds * self._round_s(chosen) + CERTIFICATE_S))

    def _undecided(self, trials: Sequence[TrialRecord], chosen: Sequence[TrialRecord]) -> bool:
        finals = finals_of(trials, self.store.runs(self.study), self.objective, self.min_gain)
        affordable = self.left_s() - CERTIFICATE_S >= self._round_s(chosen)
        return finals is not None and affordable and undecided(finals, self.objective, self.min_gain)

    def _round(self, trial: TrialRecord, number: int, rounds: int) -> None:
        around = score(trial.outcome, self.objective) if self.objective.maximise else None
        question = replace(ROUGH_RATE, around_per_s=around, effort=_ROUND_EFFORT, seed=number)
        self._run(trial, question, FINAL, f"round {number} of {rounds}, trial {trial.number}", f"-final-{number}")

    def _certify(self, trials: Sequence[TrialRecord]) -> None:
        """Shows what the winner carries: less than it was found to carry in any round."""
        finals = finals_of(trials, self.store.runs(self.study), self.objective, self.min_gain)
        winner = finals.winner if finals else None
        if winner is None:
            best = self._chosen(trials)[0]
            winner = Finalist(best, (), (score(best.outcome, self.objective),))
        if (finals and finals.certificate) or not self.objective.maximise or self.left_s() < CERTIFICATE_S:
            return
        question = Question(
            around_per_s=min(winner.values), located=False, effort=_CERTIFICATE_EFFORT, seed=len(winner.values) + 1
        )
        self._run(winner.trial, question, CERTIFICATE, f"certificate, trial {winner.trial.number}", "-certificate")

    def _run(self, trial: TrialRecord, question: Question, role: RunRole, label: str, repeat: str) -> None:
        outcome = trial.outcome
        number = trial.number or 0
        config = ModelConfig.parse(outcome.config_text, f"trial {number}")
        self.observer.trial_started(number, label, outcome.candidate)
        watch = TrialWatch(
            on_ready=lambda startup_s: self.observer.server_ready(number, startup_s),
            on_probe=lambda probe: self.observer.probed(number, probe),
        )
        found = self.executor.execute(Trial(number, outcome.candidate, config, question, repeat), watch)
        if found.kind is OutcomeKind.INTERRUPTED:
            raise Interrupted
        self.store.save_run(
            model=trial.model, label=label, outcome=found, environment=self.environment, role=role, study=self.study
        )
        self.observer.run_finished(label, found)

    def _rounds_of(self, trial: TrialRecord) -> int:
        return len(self._seconds_of(trial))

    def _seconds_of(self, trial: TrialRecord) -> list[float]:
        return [
            run.outcome.seconds
            for run in self.store.runs(self.study)
            if run.role == FINAL and run.outcome.config_text == trial.outcome.config_text
        ]
