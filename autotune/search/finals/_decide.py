"""How finalists compare, and which one is delivered.

One estimator decides and is reported: the geometric mean over rounds. The gain is the ratio of two geometric means over
the rounds that both played, with Student's t interval of the logarithm of the rounds' ratios (`paired_ratio`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autotune.measurement.statistics import Ratio, paired_ratio
from autotune.objective import Objective
from autotune.search._options import SearchOptions
from autotune.search.finals._complexity import complexity, instances
from autotune.search.finals._types import Finalist


@dataclass(frozen=True)
class Comparison:
    """Compares finalists with one another.

    Attributes:
        finalists: All that take part; how far they deviate within a round widens or narrows the intervals.
        objective: What is looked for.
        min_gain: The fraction by which a config must be better to matter.
        options: The confidence.
    """

    finalists: Sequence[Finalist]
    objective: Objective
    min_gain: float
    options: SearchOptions

    def ratio(self, ours: Finalist, theirs: Finalist) -> Ratio:
        """The ratio of two values, ``ours`` over ``theirs``, over the rounds that both played.

        The interval is corrected for the number of contenders, of which the best looks better by chance (Bonferroni's
        inequality for comparisons with a standard; Law and Kelton, Simulation Modeling and Analysis, section 10.3.1),
        and for looking again as rounds are added (`SearchOptions.share_of_error`).
        """
        rounds = sorted(ours.rounds.keys() & theirs.rounds.keys())
        beside = [
            [each.rounds[number] for number in rounds]
            for each in self.finalists
            if each is not ours and each is not theirs and each.kept and set(rounds) <= each.rounds.keys()
        ]
        contenders = sum(not each.is_baseline for each in self.finalists)
        error = self.options.share_of_error * (1 - self.options.confidence) / max(1, contenders)
        return paired_ratio(
            [ours.rounds[number] for number in rounds], [theirs.rounds[number] for number in rounds], 1 - error, beside
        )

    def advantage(self, one: Finalist, other: Finalist) -> Ratio:
        """How many times better one is; above 1 is better for throughput and latency alike."""
        return self.ratio(one, other) if self.objective.maximise else self.ratio(other, one)

    def seems_better(self, one: Finalist, other: Finalist) -> bool:
        """Whether one came out better by what matters, significant or not."""
        return self.advantage(one, other).value > 1 + self.min_gain

    def is_within(self, one: Finalist, leader: Finalist) -> bool:
        """Whether one comes so close to the leader that fewer instances are worth more."""
        return one is leader or self.advantage(one, leader).value >= 1 - self.objective.within

    def is_better(self, one: Finalist, other: Finalist) -> bool:
        """Whether one is better by what matters, and significantly so; a single round shows no deviation."""
        advantage = self.advantage(one, other)
        return advantage.value > 1 + self.min_gain and (advantage.rounds == 1 or advantage.low > 1)

    def is_open(self, one: Finalist, other: Finalist) -> bool:
        """Whether one seems better by what matters, but not significantly."""
        return self.seems_better(one, other) and self.advantage(one, other).low <= 1


@dataclass(frozen=True)
class Decision:
    """Which finalist is delivered.

    Attributes:
        winner: The delivered config; None if no finalist met the SLO in every round.
        baseline: The baseline; None if it took no part or violated the SLO.
        ties: Contenders that the winner does not beat significantly, or not by what matters.
        open: Contenders that seem better than the baseline, but not significantly.
        contested: Contenders that may still be better than the leader of the contenders, the leader included; empty
            when their order is decided or does not matter.
    """

    winner: Finalist | None
    baseline: Finalist | None
    ties: tuple[Finalist, ...] = ()
    open: tuple[Finalist, ...] = ()
    contested: tuple[Finalist, ...] = ()


def decide(comparison: Comparison) -> Decision:
    """Delivers the baseline unless a contender is significantly better, else the simplest of the best contenders.

    A config that violated a ceiling in any round does not win: a user's server is a fresh one too. Contenders within
    ``min_gain`` of the best one count as equal, because few rounds cannot show a difference of some percent. With the
    objective's ``within``, the fewest instances that come so close to the best are delivered, the baseline's or not.
    """
    kept = [each for each in comparison.finalists if each.kept and each.rounds]
    baseline = next((each for each in kept if each.is_baseline), None)
    if comparison.objective.within and kept:
        return _fewest_instances(comparison, kept, baseline)
    contenders = [each for each in kept if each is not baseline]
    if baseline is not None:
        better = [each for each in contenders if comparison.is_better(each, baseline)]
        still_open = [each for each in contenders if comparison.is_open(each, baseline)]
    else:
        better, still_open = contenders, []
    leader = max(better, key=lambda each: _merit(each, comparison.objective), default=None)
    if leader is None:
        return Decision(baseline, baseline, tuple(still_open), tuple(still_open))
    equals = [each for each in better if each is leader or not comparison.seems_better(leader, each)]
    winner = min(equals, key=lambda each: complexity(each.trial))
    rivals = [each for each in contenders if each is not leader]
    ties = [each for each in (leader, *rivals) if each is not winner and not comparison.is_better(winner, each)]
    contested = [each for each in rivals if comparison.is_open(leader, each)]
    return Decision(winner, baseline, tuple(ties), (), (leader, *contested) if contested else ())


def _fewest_instances(comparison: Comparison, kept: Sequence[Finalist], baseline: Finalist | None) -> Decision:
    leader = max(kept, key=lambda each: _merit(each, comparison.objective))
    near = [each for each in kept if comparison.is_within(each, leader)]
    winner = min(near, key=lambda each: (instances(each.trial), complexity(each.trial)))
    others = [each for each in kept if each is not winner and each is not baseline]
    return Decision(winner, baseline, tuple(each for each in others if not comparison.is_better(winner, each)))


def level(finalist: Finalist, finalists: Sequence[Finalist], confidence: float) -> Ratio:
    """A finalist's geometric mean over its rounds with Student's t interval.

    The deviation within a config is pooled over all finalists that met the SLO: the residual mean square of the
    logarithms by config, with one degree of freedom less than rounds for each.
    """
    from scipy.special import stdtrit

    logs = [np.log(each.values) for each in finalists if each.kept and each.rounds]
    freedom = sum(len(each) - 1 for each in logs)
    own = np.log(finalist.values)
    value = math.exp(float(own.mean()))
    if not freedom:
        return Ratio(value, 0.0, math.inf, len(own))
    deviation = math.sqrt(sum(float(((each - each.mean()) ** 2).sum()) for each in logs) / freedom)
    half = float(stdtrit(freedom, (1 + confidence) / 2)) * deviation / math.sqrt(len(own))
    return Ratio(value, value * math.exp(-half), value * math.exp(half), len(own))


def _merit(finalist: Finalist, objective: Objective) -> float:
    mean = sum(map(math.log, finalist.values)) / len(finalist.values)
    return mean if objective.maximise else -mean
