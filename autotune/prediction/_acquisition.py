"""Which config is worth the next trial: by expected improvement over the incumbent, and the probability to beat it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr


def expected_improvement(over: NDArray[np.float64], deviation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected improvement of each candidate over the incumbent, as a fraction of its value.

    Jones, Schonlau and Welch, Efficient Global Optimization of Expensive Black-Box Functions, 1998, equation 15, on the
    logarithm of the value.

    Args:
        over: Expected logarithm of each candidate's value over the incumbent's, signed so that more is better.
        deviation: Standard deviation of each candidate's predicted difference from the incumbent.
    """
    ratio = over / deviation
    density = np.exp(-0.5 * ratio**2) / math.sqrt(2 * math.pi)
    return np.asarray(over * ndtr(ratio) + deviation * density)


def win_probability(over: NDArray[np.float64], deviation: NDArray[np.float64], min_gain: float) -> NDArray[np.float64]:
    """Probability that each candidate beats the incumbent by more than a fraction ``min_gain``."""
    return np.asarray(ndtr((over - np.log1p(min_gain)) / deviation))


def by_merit(improvement: NDArray[np.float64], may_win: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Places of the candidates in the order in which they are worth a trial: those that may win first."""
    return np.asarray(np.lexsort((-improvement, ~may_win)))
