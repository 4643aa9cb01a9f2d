"""How two configs compare that were measured side by side, round after round.

Within a round both meet the same state of the machine, so their ratio is compared and not their means: Student's t
interval of the mean logarithm of the ratio (paired comparison; Law and Kelton, Simulation Modeling and Analysis,
section 10.2.1). On three rounds it is wide, as it should be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Ratio:
    """A ratio with its confidence interval.

    Attributes:
        value: The geometric mean of the rounds' ratios.
        low: Lower end of the interval; 0 with a single round.
        high: Upper end; infinite with a single round.
        rounds: How many there were.
    """

    value: float
    low: float
    high: float
    rounds: int

    @property
    def significant(self) -> bool:
        """Whether the interval leaves out 1."""
        return self.low > 1 or self.high < 1


def paired_ratio(ours: Sequence[float], theirs: Sequence[float], confidence: float = 0.95) -> Ratio:
    """How many times ``theirs`` are ``ours``.

    Args:
        ours: One positive value per round.
        theirs: The other's, of the same rounds.
        confidence: That the interval holds the long-run ratio.

    Raises:
        ValueError: No rounds, not the same number of them, or a value that is not above zero.
    """
    from scipy.special import stdtrit

    if not ours or len(ours) != len(theirs) or min(*ours, *theirs) <= 0:
        raise ValueError(f"expected as many positive values of both: {ours}, {theirs}")
    logs = np.log(np.asarray(ours, float)) - np.log(np.asarray(theirs, float))
    mean, rounds = float(logs.mean()), len(logs)
    if rounds == 1:
        return Ratio(math.exp(mean), 0.0, math.inf, 1)
    half = float(stdtrit(rounds - 1, (1 + confidence) / 2)) * float(logs.std(ddof=1)) / math.sqrt(rounds)
    return Ratio(math.exp(mean), math.exp(mean - half), math.exp(mean + half), rounds)
