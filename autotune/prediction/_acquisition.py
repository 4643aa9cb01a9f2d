"""Which config is worth the next trial: by expected improvement over the incumbent, and the probability to beat it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from autotune.space import Candidate


def expected_improvement(over: NDArray[np.float64], deviation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected improvement of each candidate over the incumbent, as a fraction of its value.

    Jones, Schonlau and Welch, Efficient Global Optimization of Expensive Black-Box Functions, 1998, equation 15, on the
    logarithm of the value.

    Args:
        over: Expected logarithm of each candidate's value over the incumbent's, signed so that more is better.
        deviation: Standard deviation of each candidate's predicted difference from the incumbent.
    """
    return np.asarray(over * norm.cdf(over / deviation) + deviation * norm.pdf(over / deviation))


def win_probability(over: NDArray[np.float64], deviation: NDArray[np.float64], min_gain: float) -> NDArray[np.float64]:
    """Probability that each candidate beats the incumbent by more than a fraction ``min_gain``."""
    return np.asarray(norm.cdf((over - np.log1p(min_gain)) / deviation))


def proposals(
    candidates: Sequence[Candidate],
    improvement: NDArray[np.float64],
    may_win: NDArray[np.bool_],
    about_equal: float,
) -> Iterator[Candidate]:
    """The candidates, those that may win first, by expected improvement.

    Among about equal ones the config with the fewest instances comes first: simulated instances do not share the CPU
    caches and memory bandwidth that real ones compete for.
    """
    order = np.argsort(-improvement, kind="stable")
    for ranked in (order[may_win[order]], order[~may_win[order]]):
        left = ranked
        while len(left):
            alike = max(1, int((improvement[left] >= (1 - about_equal) * improvement[left[0]]).sum()))
            for index in sorted(left[:alike], key=lambda each: candidates[each].as_dict().get("instance_count") or 0):
                yield candidates[index]
            left = left[alike:]
