"""What studies deliver on simulated devices, and what they leave untried when they end by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.replay._replay import Replay
from benchmarks.replay._table import WITHIN, quantile

DEVICE_RESTARTS = 10
"""Restarts in which a study on a device should come close, its profiled trials included."""
DEVICE_SHARE = 0.9
"""Of the seeds."""
MOST_LEFT = 0.05
"""Of the studies that end by themselves at most so many may leave a config untried that is more than 3% better."""
_BY_ITSELF = ("no untried config", "every config")


@dataclass(frozen=True)
class Judged:
    """Studies of a grid with a final comparison.

    Attributes:
        within: Share that delivers within 3% of the best config.
        regret: By what fraction of the best rate the delivered configs are worse, on average.
        worst: The same at the 90th percentile.
        restarts: Trials of a study, median.
        seeds: Studies.
    """

    within: float
    regret: float
    worst: float
    restarts: float
    seeds: int

    @classmethod
    def of(cls, replays: Sequence[Replay], optimum_per_s: float) -> Judged:
        """Compared with the best rate of any config."""
        regrets = [1 - each.delivered_per_s / optimum_per_s for each in replays]
        return cls(
            within=float(np.mean([each <= WITHIN for each in regrets])),
            regret=float(np.mean(regrets)),
            worst=quantile(regrets, DEVICE_SHARE),
            restarts=quantile([len(each.chosen_per_s) for each in replays], 0.5),
            seeds=len(replays),
        )


@dataclass(frozen=True)
class Stops:
    """Studies without a limit of trials.

    Attributes:
        ended: How many ended by themselves.
        left: How many of these left a config untried that is more than 3% better than all tried ones.
    """

    ended: int
    left: int

    @classmethod
    def of(cls, replays: Sequence[Replay], optimum_per_s: float) -> Stops:
        """Compared with the best rate of any config."""
        ended = [each for each in replays if each.stopped.startswith(_BY_ITSELF)]
        return cls(len(ended), sum(each.tried_per_s[-1] * (1 + WITHIN) < optimum_per_s for each in ended))

    def __add__(self, other: Stops) -> Stops:
        return Stops(self.ended + other.ended, self.left + other.left)

    def __str__(self) -> str:
        share = f" ({self.left / self.ended:.1%}, at most {MOST_LEFT:.0%} wanted)" if self.ended else ""
        return (
            f"of {self.ended} studies that ended by themselves {self.left} left a config untried that is more than "
            f"{WITHIN:.0%} better{share}"
        )
