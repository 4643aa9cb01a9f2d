"""The finals: the best few configs and the person's own, measured again side by side, and which of them wins.

A search picks its best by single measurements of each config, so the winner is partly lucky. The finals measure the
few that matter anew, on fresh servers and in turns, and compare them round by round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from autotune.measurement.statistics import Ratio
from autotune.objective import Objective
from autotune.outcome import OutcomeKind
from autotune.search._comparison import Comparison, Finalist, keeps, log_merit, seems_better
from autotune.search._score import BASELINE, best_of, score
from autotune.store import RunRole, TrialRecord

FINAL: RunRole = "final"
DOUBTED: RunRole = "doubted"
CERTIFICATE: RunRole = "certificate"
"""Roles of the runs: a round of the finals, one that was held again, and the proof of what the winner carries."""

_CLOSE = 0.9  # of the best value: a config that comes that close may be the better one
_GO_ON = 2  # how many besides the person's own go on after the first round
_NOT_HELD = (OutcomeKind.INTERRUPTED, OutcomeKind.CLIENT_FAILED)  # says nothing of the config


@dataclass(frozen=True)
class Finals:
    """What the finals came to.

    Attributes:
        finalists: The configs, in the order in which they took turns.
        winner: The one that is delivered; None where none kept the promise in every round.
        gain: Its value over the person's own config's, round by round; None where one of them was not measured. Its
            interval holds with 95% together with those of all that took part, and with those that were looked at
            before rounds were added. It does not know that the first round also said who went on.
        ties: Finalists whose difference to the winner is not significant or not worth having.
        certificate: The run that was to show what the winner, or where none won the best of the search, carries; None
            where there was none.
        rounds: Complete rounds.
    """

    finalists: tuple[Finalist, ...]
    winner: Finalist | None
    gain: Ratio | None
    ties: tuple[Finalist, ...] = ()
    certificate: TrialRecord | None = None
    rounds: int = field(default=0)


def contenders(
    trials: Sequence[TrialRecord],
    objective: Objective,
    most: int,
    to_beat: float | None = None,
    estimates: Mapping[int, float] | None = None,
    min_gain: float = 0.0,
) -> list[TrialRecord]:
    """The trials whose configs go into the finals: the best, those close to it, and the person's own.

    Of configs that come to the same the simplest is delivered. One that is thought to come to less than a simpler one,
    by what matters, does not take part.

    Args:
        trials: Of the search.
        objective: What is looked for.
        most: How many there may be.
        to_beat: What the best is thought to come to, as it may have been lucky; what it came to where it is None.
        estimates: What trials are thought to come to, by their numbers; those that are not in it take part.
        min_gain: By what fraction a config must be better to matter.
    """
    best = best_of(trials, objective)
    if best is None:
        return []
    close_to = _merit(best, objective)
    if to_beat is not None:
        close_to = min(close_to, to_beat if objective.maximise else 1 / to_beat)
    sign = -1.0 if objective.maximise else 1.0
    ranked = sorted(
        (trial for trial in trials if trial.outcome.feasible),
        key=lambda trial: (sign * score(trial.outcome, objective), trial.number),
    )
    own = [trial for trial in ranked if trial.label == BASELINE]
    close = [trial for trial in ranked if trial not in own and _merit(trial, objective) >= _CLOSE * close_to]
    worth_it = _worth_their_complexity(close, objective, estimates or {}, min_gain)
    chosen = worth_it[: max(1, most - len(own))] or [best]
    return list({trial.number: trial for trial in (*chosen, *own)}.values())


def _worth_their_complexity(
    trials: Sequence[TrialRecord], objective: Objective, estimates: Mapping[int, float], min_gain: float
) -> list[TrialRecord]:
    """Those that no simpler one of them is thought to be better than, by ``min_gain``, in their order."""
    merits = {number: value if objective.maximise else 1 / value for number, value in estimates.items()}
    left: list[TrialRecord] = []
    for trial in sorted(trials, key=complexity):
        merit = merits.get(trial.number or 0)
        simpler = max((merits.get(each.number or 0, 0.0) for each in left), default=0.0)
        if merit is None or merit > (1 - min_gain) * simpler:
            left.append(trial)
    kept = {each.number for each in left}
    return [trial for trial in trials if trial.number in kept]


def going_on(finalists: Sequence[Finalist], rounds: int, objective: Objective) -> list[Finalist]:
    """Who plays the next round after so many: those that came out best so far, and the person's own.

    The best one takes more rounds to be told from the next one than from the last one. Who broke the promise in a round
    cannot win any more; who could not be measured in one, because the load generator failed, catches up. Successive
    rejects: Audibert, Bubeck and Munos, Best Arm Identification in Multi-Armed Bandits, 2010.
    """
    left = list(finalists)
    for number in range(1, rounds + 1):
        kept = [each for each in left if keeps(each.values[:number])]
        others = [each for each in kept if each.trial.label != BASELINE]
        others.sort(key=lambda each: log_merit(each.values[:number], objective), reverse=True)
        left = [each for each in kept if each.trial.label == BASELINE or each in others[:_GO_ON]]
    return left


def restarts(configs: int, rounds: int) -> int:
    """How many servers so many rounds of so many configs start at most, one of them the person's own."""
    return configs + (rounds - 1) * min(configs, _GO_ON + 1) if rounds else 0


def decide(
    finalists: Sequence[Finalist], objective: Objective, min_gain: float, certificate: TrialRecord | None = None
) -> Finals:
    """Which finalist is delivered, of those that played the last complete round.

    The person's own config where nothing is shown to be better. Else, of those that are, the simplest whose rounds
    came, by `typical`, within ``min_gain`` of the best one's: few rounds cannot show a difference of some percent, and
    what came out better by more than that is likelier to be than not.

    Args:
        finalists: With their rounds so far; a round that one who goes on has not played yet does not count.
        objective: What is looked for.
        min_gain: By what fraction a config must be better to matter.
        certificate: The proof for the winner, if there is one.
    """
    rounds, played = _last_round(finalists, objective)
    finalists = [replace(each, runs=each.runs[:rounds], values=each.values[:rounds]) for each in finalists]
    kept = [finalists[place] for place in played if keeps(finalists[place].values)]
    if not kept:
        return Finals(tuple(finalists), None, None, certificate=certificate, rounds=rounds)
    own = next((each for each in kept if each.trial.label == BASELINE), None)
    challengers = sum(each.trial.label != BASELINE for each in finalists)
    comparison = Comparison(kept, challengers, objective, min_gain)
    better = [each for each in kept if own is None or comparison.is_better(each, own)]
    leader = max(better or kept, key=lambda each: log_merit(each.values, objective))
    ties = [each for each in kept if each is not leader and comparison.is_tie(leader, each)]
    close = [each for each in better if not seems_better(leader, each, objective, min_gain)]
    winner = own if own and not better else min(close, key=lambda each: complexity(each.trial))
    proven = certificate if certificate and certificate.outcome.config_text == _config(winner) else None
    return Finals(
        finalists=tuple(finalists),
        winner=winner,
        gain=None if own is None or own is winner else comparison.ratio(winner, own),
        ties=tuple(each for each in (leader, *ties) if each is not winner),
        certificate=proven,
        rounds=rounds,
    )


def _last_round(finalists: Sequence[Finalist], objective: Objective) -> tuple[int, list[int]]:
    """The number of the last round that is complete, and the places of those that played it.

    Who is two rounds behind the foremost was left out when the finals were gone on with, and is not waited for.
    """
    most = max((len(each.values) for each in finalists), default=0)
    rounds, played = 0, [*finalists]
    while True:
        left = going_on(finalists, rounds, objective)
        left = [each for each in left if len(each.values) >= min(rounds + 1, most - 1)]
        if not left or any(len(each.values) <= rounds for each in left):
            return rounds, [place for place, each in enumerate(finalists) if rounds and each in played]
        rounds, played = rounds + 1, left


def undecided(finals: Finals, objective: Objective, min_gain: float) -> bool:
    """Whether more rounds might tell: a difference worth having was seen that is not significant yet."""
    if finals.winner is None:
        return False
    if finals.rounds == 1 and len(finals.finalists) > 1:
        return True
    tied = (finals.winner, *finals.ties)
    simplest = min(tied, key=lambda each: complexity(each.trial))
    return any(seems_better(each, simplest, objective, min_gain) for each in tied)


def finals_of(
    trials: Sequence[TrialRecord], runs: Sequence[TrialRecord], objective: Objective, min_gain: float
) -> Finals | None:
    """The finals that a study's stored runs amount to; None where none were held after its last trial.

    Those that were held before it do not know what it found.
    """
    held = held_after(trials, runs)
    by_config: dict[str, list[TrialRecord]] = {}
    for run in held:
        if run.role == FINAL:
            by_config.setdefault(run.outcome.config_text, []).append(run)
    certificate = next((run for run in reversed(held) if run.role == CERTIFICATE), None)
    own = next((trial for trial in trials if trial.label == BASELINE and trial.outcome.feasible), None)
    if not by_config or (own and own.outcome.config_text not in by_config):  # which is the last one in a first round
        return _only_certified(trials, certificate) if certificate else None
    finalists = []
    for config, records in by_config.items():
        trial = next((trial for trial in trials if trial.outcome.config_text == config), None)
        if trial is not None:
            finalists.append(finalist(trial, records, objective))
    return decide(finalists, objective, min_gain, certificate)


def finalist(trial: TrialRecord, runs: Sequence[TrialRecord], objective: Objective) -> Finalist:
    """A config with its rounds so far."""
    return Finalist(trial, tuple(runs), tuple(score(run.outcome, objective) for run in runs))


def held_after(trials: Sequence[TrialRecord], runs: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The runs since the last trial that say something of their config."""
    last = max((trial.id for trial in trials), default=0)
    return [run for run in runs if run.id > last and run.outcome.kind not in _NOT_HELD]


def _only_certified(trials: Sequence[TrialRecord], certificate: TrialRecord) -> Finals | None:
    """Finals without a round: there was nothing to compare with, or no time."""
    config = certificate.outcome.config_text
    trial = next((trial for trial in trials if trial.outcome.config_text == config), None)
    return Finals((), Finalist(trial, (), ()), None, certificate=certificate) if trial else None


def complexity(trial: TrialRecord) -> tuple[bool, int, bool, bool, int]:
    """How much a config asks of whoever runs it; the person's own asks nothing."""
    values = trial.outcome.candidate.as_dict() if trial.outcome.candidate else {}
    return (
        trial.label != BASELINE,
        _whole(values.get("instance_count")),
        values.get("preferred_batch_size") not in (None, "none"),
        bool(values.get("max_queue_delay_microseconds")),
        _whole(values.get("max_batch_size")),
    )


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _merit(trial: TrialRecord, objective: Objective) -> float:
    value = score(trial.outcome, objective)
    return value if objective.maximise else 1 / value


def _config(finalist: Finalist) -> str:
    return finalist.trial.outcome.config_text
