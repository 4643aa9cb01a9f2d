"""How finalists compare, round by round."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from autotune.measurement.statistics import Ratio, paired_ratio
from autotune.objective import Objective
from autotune.store import TrialRecord

_MAY_BE_WRONG = 0.05
# Of the level of an interval, as finals that are open look again after each further round. Constant levels are Pocock's
# (Jennison and Turnbull, Group Sequential Methods, chapter 2); that a half is enough shows `benchmarks/false_gains.py`.
_OF_ALL_LOOKS = 0.5


@dataclass(frozen=True)
class Finalist:
    """A config in the finals.

    Attributes:
        trial: The trial in which the search measured it.
        runs: Its rounds, in order; fewer than others' where it did not go on.
        values: What each came to: inferences/s, or seconds; 0 or infinite where it did not keep the promise.
    """

    trial: TrialRecord
    runs: tuple[TrialRecord, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Comparison:
    """Compares finalists that played the same rounds with one another.

    Attributes:
        kept: Those that kept the promise in each of them: how far they scatter tells how wide the intervals are.
        challengers: How many began, the person's own left out.
        objective: What is looked for.
        min_gain: By what fraction a config must be better to matter.
    """

    kept: Sequence[Finalist]
    challengers: int
    objective: Objective
    min_gain: float

    def ratio(self, ours: Finalist, theirs: Finalist) -> Ratio:
        """The ratio of two, with its interval.

        Of several challengers that carry the same the best one came out better by chance: all intervals together hold
        with 95%, as each has its part of the 5% (Bonferroni's inequality for comparisons with a standard; Law and
        Kelton, Simulation Modeling and Analysis, section 10.3.1). They know that rounds may be added while it is open.
        """
        beside = [each.values for each in self.kept if each is not ours and each is not theirs]
        confidence = 1 - _OF_ALL_LOOKS * _MAY_BE_WRONG / max(1, self.challengers)
        return paired_ratio(ours.values, theirs.values, confidence, beside)

    def is_better(self, one: Finalist, own: Finalist) -> bool:
        """Whether one is shown to be better than the person's own, by what matters."""
        if one is own or not seems_better(one, own, self.objective, self.min_gain):
            return False
        return not self.is_tie(one, own)

    def is_tie(self, leader: Finalist, other: Finalist) -> bool:
        """Whether the leader is not better by what matters or, by the scatter of the rounds, not significantly so.

        A single round shows no scatter.
        """
        ratio = self.ratio(leader, other) if self.objective.maximise else self.ratio(other, leader)
        return ratio.value <= 1 + self.min_gain or (ratio.rounds > 1 and ratio.low <= 1)


def seems_better(one: Finalist, other: Finalist, objective: Objective, min_gain: float) -> bool:
    """Whether one came out better by what matters, be it significant or not."""
    return log_merit(one.values, objective) - log_merit(other.values, objective) > math.log1p(min_gain)


def keeps(values: Sequence[float]) -> bool:
    """Whether the promise was kept in each of these rounds, by what they came to."""
    return all(0 < value < math.inf for value in values)


def typical(values: Sequence[float]) -> float:
    """What rounds come to: their mean, the best and the worst one left out; the median of three or four.

    A spell in which the machine is disturbed spoils one round of a config and not of another, and a mean with it. A
    config that carries much less in two rounds of five does so by itself: some batches are full on one server and fall
    apart on the next one, which a median does not see.
    """
    middle = sorted(values)[1:-1] if len(values) > 2 else values
    return statistics.fmean(middle)


def log_merit(values: Sequence[float], objective: Objective) -> float:
    """The logarithm of what rounds come to, signed so that more is better; infinite where nothing is known yet."""
    return (1.0 if objective.maximise else -1.0) * math.log(typical(values)) if values else math.inf
