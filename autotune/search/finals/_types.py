"""What a final comparison consists of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from autotune.measurement.statistics import Ratio
from autotune.search._score import BASELINE
from autotune.search.finals._front import Member
from autotune.store import RunRole, TrialRecord

FINAL: RunRole = "final"
CERTIFICATE: RunRole = "certificate"
"""Roles of runs: a round of the final comparison, and the certificate of the winner."""


class Uncompared(Enum):
    """Why a run made no final comparison."""

    NOT_ASKED = "--final-rounds is 0"
    NO_TIME = "--time-budget left no time for its rounds"
    INTERRUPTED = "the run was interrupted"
    BROKEN = "nothing works any more"


@dataclass(frozen=True)
class Finalist:
    """A config in the final comparison.

    Attributes:
        trial: The trial in which the search measured it.
        rounds: Round number, from 1, to its value: inferences/s, seconds or bytes. 0 inferences/s, infinite seconds or
            bytes, where it violated a ceiling.
        every: Round number to each of the objective's values; only rounds that met the SLO.
    """

    trial: TrialRecord
    rounds: Mapping[int, float] = field(default_factory=dict)
    every: Mapping[int, tuple[float, ...]] = field(default_factory=dict)

    @property
    def is_baseline(self) -> bool:
        """Whether it is the config that the person had."""
        return self.trial.label == BASELINE

    @property
    def values(self) -> tuple[float, ...]:
        """Its values in the order of the rounds."""
        return tuple(self.rounds[number] for number in sorted(self.rounds))

    @property
    def kept(self) -> bool:
        """Whether it met the SLO in every round that it played."""
        return all(0 < value < math.inf for value in self.rounds.values())

    def until(self, number: int) -> Finalist:
        """The same after so many rounds."""
        return Finalist(
            self.trial,
            {each: value for each, value in self.rounds.items() if each <= number},
            {each: values for each, values in self.every.items() if each <= number},
        )

    @property
    def means(self) -> tuple[float, ...]:
        """The geometric mean over rounds of each of the objective's values."""
        by_value = zip(*self.every.values(), strict=True)
        return tuple(math.exp(math.fsum(map(math.log, each)) / len(each)) for each in by_value)


@dataclass(frozen=True)
class Finals:
    """What the final comparison came to.

    Attributes:
        finalists: The configs, in the order in which they took turns.
        winner: The config that is delivered; None if none met the SLO in every round.
        gain: Its value over the baseline's, with the interval that decided; None without a comparison of the two.
        sustained: The winner's value with its interval; None without a round.
        ties: Contenders that are not significantly different from the winner, or not by what matters.
        certificate: The run that tested what the winner sustains; None without one.
        rounds: Complete rounds.
        front: Of several objectives, the Pareto front by the means over rounds, the best by the first value first.
        open: Whether the gain is still undecided: it seems large enough but is not significant.
    """

    finalists: tuple[Finalist, ...]
    winner: Finalist | None
    gain: Ratio | None = None
    sustained: Ratio | None = None
    ties: tuple[Finalist, ...] = ()
    certificate: TrialRecord | None = None
    rounds: int = 0
    open: bool = False
    front: tuple[Member, ...] = ()
