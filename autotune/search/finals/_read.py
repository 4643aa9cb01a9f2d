"""The final comparison that a study's stored runs amount to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from autotune.measurement.statistics import Ratio
from autotune.objective import Objective
from autotune.outcome import OutcomeKind
from autotune.search._options import SearchOptions
from autotune.search._score import BASELINE, score, scores
from autotune.search.finals._decide import Comparison, decide, level
from autotune.search.finals._front import Member, front_of
from autotune.search.finals._types import CERTIFICATE, FINAL, Finalist, Finals
from autotune.store import TrialRecord

_SAYS_NOTHING = (OutcomeKind.INTERRUPTED, OutcomeKind.OUT_OF_TIME, OutcomeKind.CLIENT_FAILED)


def finals_of(
    trials: Sequence[TrialRecord],
    runs: Sequence[TrialRecord],
    objective: Objective,
    min_gain: float,
    options: SearchOptions | None = None,
) -> Finals | None:
    """What the rounds after a study's last trial decide; None if there is none, or no complete one."""
    options = options or SearchOptions()
    held = held_after(trials, runs)
    certificates = [run for run in held if run.role == CERTIFICATE]
    finalists = finalists_of(trials, held, objective)
    rounds = _complete_rounds(finalists, trials)
    if not rounds:
        return _only_certified(trials, certificates)
    finalists = [each.until(rounds) for each in finalists]
    comparison = Comparison(finalists, objective, min_gain, options)
    decision = decide(comparison)
    winner, baseline = decision.winner, decision.baseline
    front = _front(finalists, objective, min_gain)
    if front and winner is not None and all(each.trial.id != winner.trial.id for each in front):
        winner = next(each for each in finalists if each.trial.id == front[0].trial.id)
    return Finals(
        finalists=tuple(finalists),
        winner=winner,
        gain=comparison.ratio(winner, baseline) if winner and baseline and winner is not baseline else None,
        sustained=level(winner, finalists, options.confidence) if winner else None,
        ties=tuple(each for each in decision.ties if winner is None or each.trial.id != winner.trial.id),
        certificate=next(
            (run for run in reversed(certificates) if winner is None or run.trial_id == winner.trial.id), None
        ),
        rounds=rounds,
        open=bool(decision.open),
        front=front,
    )


def _front(finalists: Sequence[Finalist], objective: Objective, min_gain: float) -> tuple[Member, ...]:
    """Of several objectives, the front of the configs that met the SLO in every round."""
    if not objective.also:
        return ()
    kept = [Member(each.trial, each.means) for each in finalists if each.kept and each.rounds]
    return front_of(kept, objective.values, min_gain)


def ratios_to_baseline(finals: Finals, objective: Objective) -> dict[int, Ratio]:
    """The row of each trial to its value over the baseline's, with the corrected interval that decided.

    Only of configs that met the SLO in every round; empty if the baseline is none of them.
    """
    comparison = Comparison(finals.finalists, objective, 0.0, SearchOptions())
    kept = [each for each in finals.finalists if each.kept and each.rounds]
    baseline = next((each for each in kept if each.is_baseline), None)
    if baseline is None:
        return {}
    return {
        each.trial.id: comparison.ratio(each, baseline)
        for each in kept
        if each is not baseline and each.rounds.keys() & baseline.rounds.keys()
    }


def levels(finals: Finals) -> dict[int, Ratio]:
    """The row of each trial to its geometric mean over the rounds, with its interval; of configs that met the SLO."""
    return {
        each.trial.id: level(each, finals.finalists, SearchOptions().confidence)
        for each in finals.finalists
        if each.kept and each.rounds
    }


def held_after(trials: Sequence[TrialRecord], runs: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The runs since the last trial that say something about their config."""
    last = max((trial.id for trial in trials), default=0)
    return [run for run in runs if run.id > last and run.outcome.kind not in _SAYS_NOTHING]


def finalists_of(trials: Sequence[TrialRecord], held: Sequence[TrialRecord], objective: Objective) -> list[Finalist]:
    """The trials that played a round, in the order of their first one."""
    by_id = {trial.id: trial for trial in trials}
    rounds: dict[int, dict[int, float]] = {}
    every: dict[int, dict[int, tuple[float, ...]]] = {}
    for run in held:
        if run.role == FINAL and run.trial_id in by_id and run.round is not None:
            value = score(run.outcome, objective) if run.outcome.feasible or objective.maximise else math.inf
            rounds.setdefault(run.trial_id, {})[run.round] = value
            if run.outcome.feasible:
                every.setdefault(run.trial_id, {})[run.round] = scores(run.outcome, objective)
    return [Finalist(by_id[trial_id], played, every.get(trial_id, {})) for trial_id, played in rounds.items()]


def _complete_rounds(finalists: Sequence[Finalist], trials: Sequence[TrialRecord]) -> int:
    """Rounds that compare something: an interruption or the time budget may leave one config alone in the last.

    The first round is complete once the baseline, which plays last in it, has played.
    """
    baseline = next((trial for trial in trials if trial.label == BASELINE and trial.outcome.feasible), None)
    if not finalists or (baseline and baseline.id not in {each.trial.id for each in finalists}):
        return 0
    played = Counter(number for each in finalists for number in each.rounds)
    return max((number for number, configs in played.items() if configs > 1 or len(finalists) == 1), default=0)


def _only_certified(trials: Sequence[TrialRecord], certificates: Sequence[TrialRecord]) -> Finals | None:
    """A certificate without a round: there was nothing to compare with, or no time."""
    for run in reversed(certificates):
        trial = next((trial for trial in trials if trial.id == run.trial_id), None)
        if trial is not None:
            return Finals((), Finalist(trial), certificate=run)
    return None
