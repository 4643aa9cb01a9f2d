"""Which config is fastest, which tie with it, and whether one is slower than a baseline."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from autotune.measurement.statistics import Ratio, paired_ratio
from autotune.search._score import BASELINE
from autotune.search.comparison._baseline import Baseline
from autotune.search.comparison._types import ComparisonResult, Contender, Out

OURS = "repository"
"""Name of the config to check, beside the baseline."""

CONFIDENCE = 0.95
"""That all intervals of one comparison hold together."""


def speedup(one: Contender, other: Contender, result: ComparisonResult) -> Ratio | None:
    """How many times faster one is: above 1 is better, for rates and latencies alike; None without a common round.

    The interval is corrected for the number of pairs at all loads (Bonferroni), because the fastest config is known
    only afterwards. The number of rounds is fixed beforehand, so nothing is corrected for looking early.
    """
    rounds = sorted(one.rounds.keys() & other.rounds.keys())
    if not rounds:
        return None
    compared = [each for each in result.contenders if each.compared]
    beside = [
        [each.rounds[number] for number in rounds]
        for each in compared
        if each.name not in (one.name, other.name) and set(rounds) <= each.rounds.keys()
    ]
    pairs = max(1, result.pairs) * result.loads
    values = [[each.rounds[number] for number in rounds] for each in (one, other)]
    ours, theirs = reversed(values) if result.metric.statistic else values
    return paired_ratio(ours, theirs, 1 - (1 - CONFIDENCE) / pairs, beside)


@dataclass(frozen=True)
class Ranking:
    """The configs by speed.

    Attributes:
        fastest: The one with the best geometric mean; None if none was compared.
        ties: Those that are not significantly slower.
        slower: Those that are.
        undecided: Those that have less than two rounds in common with the fastest.
        out: Those that violated the SLO or were not measured.
    """

    fastest: Contender | None
    ties: tuple[Contender, ...] = ()
    slower: tuple[Contender, ...] = ()
    undecided: tuple[Contender, ...] = ()
    out: tuple[Contender, ...] = ()


def rank(result: ComparisonResult) -> Ranking:
    """The fastest config, its ties, and the others, each group from fast to slow."""
    sign = 1.0 if result.metric.statistic else -1.0
    ordered = sorted((each for each in result.contenders if each.compared), key=lambda each: sign * each.mean)
    out = tuple(each for each in result.contenders if not each.compared)
    if not ordered:
        return Ranking(None, out=out)
    fastest, *others = ordered
    ratios = [(each, speedup(fastest, each, result)) for each in others]
    known = [(each, ratio) for each, ratio in ratios if ratio is not None and ratio.rounds > 1]
    return Ranking(
        fastest,
        ties=tuple(each for each, ratio in known if ratio.low <= 1),
        slower=tuple(each for each, ratio in known if ratio.low > 1),
        undecided=tuple(each for each, ratio in ratios if ratio is None or ratio.rounds < 2),
        out=out,
    )


class Gate(Enum):
    """What a check found out about a config and its baseline."""

    PASSED = "passed"
    SLOWER = "slower"
    VIOLATED = "violates the SLO"
    NOT_SERVED = "was not measured"
    UNDECIDED = "undecided"


def gate(result: ComparisonResult, ours: str, baseline: str, allowed: float) -> Gate:
    """Whether config ``ours`` may replace ``baseline``.

    It is slower only if the whole interval of its speed, relative to the baseline's, lies below ``1 - allowed``. So a
    config that is slower by no more than ``allowed`` fails with a probability of at most 2.5%.

    Args:
        result: A comparison of the two.
        ours: The name of the config to check.
        baseline: The name of the other one.
        allowed: The fraction by which it may be slower.
    """
    named = {each.name: each for each in result.contenders}
    excluded = named[ours].out
    if excluded is not None:
        return Gate.VIOLATED if excluded.out is Out.VIOLATED else Gate.NOT_SERVED
    relative = speedup(named[ours], named[baseline], result)
    if relative is None or not named[baseline].compared or relative.rounds == 1:
        return Gate.UNDECIDED
    return Gate.SLOWER if relative.high < 1 - allowed else Gate.PASSED


@dataclass(frozen=True)
class CheckResult:
    """What a check of a config came to.

    Attributes:
        comparison: The config, and beside it the baseline if there is one.
        allowed: The fraction by which the config may be slower.
        baseline: The recorded config; None if the config was only recorded.
    """

    comparison: ComparisonResult
    allowed: float
    baseline: Baseline | None = None

    @property
    def gate(self) -> Gate:
        """Whether the config passed; without a baseline, whether it could be measured."""
        if self.baseline is not None:
            return gate(self.comparison, OURS, BASELINE, self.allowed)
        (ours,) = self.comparison.contenders
        if ours.out is not None:
            return Gate.VIOLATED if ours.out.out is Out.VIOLATED else Gate.NOT_SERVED
        return Gate.PASSED if ours.compared else Gate.UNDECIDED

    @property
    def relative(self) -> Ratio | None:
        """The speed of the config relative to the baseline's; None without a common round."""
        named = {each.name: each for each in self.comparison.contenders}
        if BASELINE not in named or not (named[OURS].compared and named[BASELINE].compared):
            return None
        return speedup(named[OURS], named[BASELINE], self.comparison)
