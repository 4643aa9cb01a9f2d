"""How two configs compare that were measured side by side, round after round.

Within a round both meet the same state of the machine, so their ratio is compared and not their means: Student's t
interval of the mean logarithm of the ratio (paired comparison; Law and Kelton, Simulation Modeling and Analysis,
section 10.2.1). On three rounds it is wide, as it should be.

Where more configs than the two took part in the rounds, their scatter tells how far any of them scatters: the residual
mean square of all logarithms by config and round, with (configs - 1) (rounds - 1) degrees of freedom (randomized
complete blocks; Montgomery, Design and Analysis of Experiments, section 4.1). Of two configs that is the paired
comparison; with three, two rounds have two degrees of freedom instead of one, and an interval a third as wide.
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


def paired_ratio(
    ours: Sequence[float], theirs: Sequence[float], confidence: float = 0.95, beside: Sequence[Sequence[float]] = ()
) -> Ratio:
    """How many times ``theirs`` are ``ours``.

    Args:
        ours: One positive value per round.
        theirs: The other's, of the same rounds.
        confidence: That the interval holds the long-run ratio.
        beside: Those of further configs in the same rounds, thought to scatter as these two do.

    Raises:
        ValueError: No rounds, not the same number of them, or a value that is not above zero.
    """
    from scipy.special import stdtrit

    values = (ours, theirs, *beside)
    if not ours or any(len(each) != len(ours) or min(each) <= 0 for each in values):
        raise ValueError(f"expected as many positive values of all: {', '.join(map(str, values))}")
    logs = np.log(np.asarray(values, float))
    ratio = float(np.exp((logs[0] - logs[1]).mean()))
    configs, rounds = logs.shape
    if rounds == 1:
        return Ratio(ratio, 0.0, math.inf, 1)
    residuals = logs - logs.mean(axis=1, keepdims=True) - logs.mean(axis=0) + logs.mean()
    freedom = (configs - 1) * (rounds - 1)
    deviation = math.sqrt(float((residuals**2).sum()) / freedom)
    half = float(stdtrit(freedom, (1 + confidence) / 2)) * deviation * math.sqrt(2 / rounds)
    return Ratio(ratio, ratio * math.exp(-half), ratio * math.exp(half), rounds)
