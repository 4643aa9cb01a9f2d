"""Runs the finals: rounds on fresh servers in turns, then a certificate for the winner."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from autotune.environment import Environment
from autotune.measurement import ROUGH_RATE, Question
from autotune.outcome import OutcomeKind
from autotune.repository import ModelConfig
from autotune.search._comparison import Finalist
from autotune.search._executor import Executor, Trial, TrialWatch
from autotune.search._finals import (
    CERTIFICATE,
    DOUBTED,
    FINAL,
    Finals,
    contenders,
    finalist,
    finals_of,
    going_on,
    held_after,
    restarts,
    undecided,
)
from autotune.search._observer import StudyObserver
from autotune.search._plan import StudyPlan
from autotune.search._score import BASELINE, score
from autotune.store import RunRole, Store, StudyRecord, TrialRecord

MOST_CONTENDERS = 4
CERTIFICATE_S = 20.0
"""Seconds to set aside for a certificate."""

# Where it is open which is delivered, and as many again where the person's own only stays because rounds scatter.
_MORE_ROUNDS = 2
_ATTEMPTS = 2
_STARTUP_S = 3.0  # of the certificate's server, warm-up included
# Of the least rate located in any round: nearer to it no window of seconds proves anything.
_PROVABLE = 0.95


class Interrupted(Exception):
    """A person stopped the finals."""


class FinalRounds:
    """Holds the finals of one study; what was measured before an interruption is gone on from.

    Args:
        plan: The study.
        record: The study, as stored.
        store: Where runs are kept.
        executor: What runs one.
        environment: Where it runs.
        observer: Who watches.
        left_s: Seconds that are left of the time budget; infinite without one.
        to_beat: What the best of the search is thought to come to; None where that is not known.
        estimates: What its trials are thought to come to, by their numbers; those of which it is known.
    """

    def __init__(
        self,
        plan: StudyPlan,
        record: StudyRecord,
        store: Store,
        executor: Executor,
        environment: Environment,
        observer: StudyObserver,
        left_s: Callable[[], float],
        to_beat: float | None,
        estimates: Mapping[int, float],
    ) -> None:
        self._plan = plan
        self._record = record
        self._store = store
        self._executor = executor
        self._environment = environment
        self._observer = observer
        self._left_s = left_s
        self._to_beat = to_beat
        self._estimates = estimates
        self._runs: list[TrialRecord] = []

    def hold(self, trials: Sequence[TrialRecord]) -> None:
        """Runs what is wanting of the finals, as far as the time reaches.

        `_MORE_ROUNDS` more than planned are held while a difference worth having is not significant, and as many again
        while the person's own config would stay for that reason alone: one round that a pause spoilt hides threefold
        throughput in six rounds, not in seven.

        Raises:
            Interrupted: A person stopped them.
        """
        self._runs = held_after(trials, self._store.runs(self._record))
        chosen = self._chosen(trials)
        if not chosen or not self._plan.final_rounds:
            return
        for number in range(1, self._plan.final_rounds + 2 * _MORE_ROUNDS + 1):
            playing = self._playing(chosen, number)
            missing = [trial for trial in playing if len(self._rounds_of(trial)) < number]
            more = self._affordable_rounds(missing) if missing else 1
            if len(chosen) == 1 or not playing or not more:
                break
            if number > self._plan.final_rounds and not self._goes_on(trials, number):
                break
            rounds = max(number, min(self._plan.final_rounds, number - 1 + more))
            for trial in missing if number % 2 else reversed(missing):
                # Again where the load generator failed, or no promise is kept though the trial kept it.
                for attempt in range(1, _ATTEMPTS + 1):
                    if len(self._rounds_of(trial)) < number:
                        self._estimate(playing, rounds - number + 1)
                        again_s = self._left_s() - CERTIFICATE_S - self._round_s([trial])
                        may_repeat = attempt < _ATTEMPTS and again_s > 0
                        self._round(trial, number, rounds, may_repeat=may_repeat)
        self._certify(trials, chosen)

    def _chosen(self, trials: Sequence[TrialRecord]) -> list[TrialRecord]:
        """Who takes part: fewer where the time left is too short for all rounds of more. Few rounds show nothing.

        Finals that were begun are gone on with by all.
        """
        plan = self._plan
        for most in range(MOST_CONTENDERS, 0, -1):
            chosen = contenders(trials, plan.objective, most, self._to_beat, self._estimates, plan.min_gain)
            if len(chosen) <= 1 or any(map(self._rounds_of, chosen)):
                break
            runs = restarts(len(chosen), plan.final_rounds)
            if runs * self._round_s(chosen) / len(chosen) <= self._left_s() - CERTIFICATE_S:
                break
        return chosen

    def _affordable_rounds(self, playing: Sequence[TrialRecord]) -> int:
        """Rounds of these that fit into the time left, beside the certificate; all without a time budget."""
        left_s = self._left_s() - CERTIFICATE_S
        if math.isinf(left_s):
            return self._plan.final_rounds + 2 * _MORE_ROUNDS
        return max(0, int(left_s / self._round_s(playing)))

    def _playing(self, chosen: Sequence[TrialRecord], number: int) -> list[TrialRecord]:
        """Who plays a round, the earlier ones being over."""
        objective = self._plan.objective
        finalists = [finalist(trial, self._rounds_of(trial), objective) for trial in chosen]
        return [each.trial for each in going_on(finalists, number - 1, objective)]

    def _round_s(self, chosen: Sequence[TrialRecord]) -> float:
        """Seconds that a round takes."""
        taken_s = (
            (trial.outcome.seconds, *(run.outcome.seconds for run in self._rounds_of(trial))) for trial in chosen
        )
        return sum(statistics.median(each) for each in taken_s)

    def _estimate(self, chosen: Sequence[TrialRecord], rounds: int) -> None:
        self._observer.estimated(min(self._left_s(), rounds * self._round_s(chosen) + CERTIFICATE_S))

    def _finals(self, trials: Sequence[TrialRecord]) -> Finals | None:
        return finals_of(trials, self._runs, self._plan.objective, self._plan.min_gain)

    def _goes_on(self, trials: Sequence[TrialRecord], number: int) -> bool:
        """Whether a round is worth holding that was not planned."""
        finals = self._finals(trials)
        if finals is None or finals.winner is None or not undecided(finals, self._plan.objective, self._plan.min_gain):
            return False
        return number <= self._plan.final_rounds + _MORE_ROUNDS or finals.winner.trial.label == BASELINE

    def _round(self, trial: TrialRecord, number: int, rounds: int, *, may_repeat: bool) -> None:
        objective = self._plan.objective
        around = score(trial.outcome, objective) if objective.maximise else None
        question = replace(ROUGH_RATE, around_per_s=around, concurrency=_concurrency(trial), seed=number)
        label = f"round {number} of {rounds}, trial {trial.number}"
        self._run(trial, question, FINAL, label, f"-final-{number}", infeasible=DOUBTED if may_repeat else FINAL)

    def _certify(self, trials: Sequence[TrialRecord], chosen: Sequence[TrialRecord]) -> None:
        """Shows what the winner carries: less than it was found to carry in any round."""
        finals = self._finals(trials)
        if (finals and finals.certificate) or not self._plan.objective.maximise or self._left_s() < CERTIFICATE_S:
            return
        winner = finals.winner if finals else None
        if winner is None:
            winner = Finalist(chosen[0], (), (score(chosen[0].outcome, self._plan.objective),))
        question = Question(
            around_per_s=_PROVABLE * min(winner.values),
            concurrency=_concurrency(winner.runs[-1] if winner.runs else winner.trial),
            located=False,
            certified_within_s=max(1.0, self._left_s() - _STARTUP_S),
            seed=len(winner.values) + 1,
        )
        self._run(winner.trial, question, CERTIFICATE, f"certificate, trial {winner.trial.number}", "-certificate")

    def _run(
        self,
        trial: TrialRecord,
        question: Question,
        role: RunRole,
        label: str,
        repeat: str,
        infeasible: RunRole | None = None,
    ) -> None:
        """Measures a trial's config anew and stores it as ``role``, or as ``infeasible`` where it keeps no promise."""
        outcome = trial.outcome
        number = trial.number or 0
        config = ModelConfig.parse(outcome.config_text, f"trial {number}")
        observer = self._observer
        observer.trial_started(number, label, outcome.candidate)
        watch = TrialWatch(
            on_ready=lambda startup_s: observer.server_ready(number, startup_s),
            on_probe=lambda probe: observer.probed(number, probe),
        )
        found = self._executor.execute(Trial(number, outcome.candidate, config, question, repeat), watch)
        run = self._store.save_run(
            model=trial.model,
            label=label,
            outcome=found,
            environment=self._environment,
            role=infeasible if infeasible and found.kind is OutcomeKind.INFEASIBLE else role,
            study=self._record,
        )
        if found.kind is OutcomeKind.INTERRUPTED:
            raise Interrupted
        self._runs += held_after((), [run])
        observer.run_finished(label, found)

    def _rounds_of(self, trial: TrialRecord) -> list[TrialRecord]:
        config = trial.outcome.config_text
        return [run for run in self._runs if run.role == FINAL and run.outcome.config_text == config]


def _concurrency(record: TrialRecord) -> int | None:
    """The requests that were outstanding where a closed loop completed the most; None where there was none."""
    measured = record.outcome.measurement
    return measured.decided_by.concurrency if measured and measured.decided_by else None
