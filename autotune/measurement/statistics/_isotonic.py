"""The bracket of the crossing rate from probes that may contradict each other.

The late fraction cannot fall as the rate rises, but counts scatter: a rate may have failed below one that held.
Isotonic regression, by pooling adjacent violators, is the maximum-likelihood estimate under that order alone (Ayer
and others, Annals of Mathematical Statistics 26, 1955): contradicting neighbours share their pooled fraction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class RateCounts:
    """What one probe counted.

    Attributes:
        rate_per_s: The rate that was asked for.
        requests: Requests offered.
        late: Late ones among them, failed ones included.
        design_effect: Requests that are worth one independent request.
        came: Requests that came by those that were asked for; 1 where arrivals are not drawn.
        came_spread: The standard deviation of its logarithm: 1/sqrt(n) for n Poisson arrivals, more in bursts.
        slow: Effective requests, and how many of these took longer than a lower limit; none where nobody counted.
    """

    rate_per_s: float
    requests: float
    late: float
    design_effect: float = 1.0
    came: float = 1.0
    came_spread: float = 0.0
    slow: tuple[float, float] = (0.0, 0.0)

    @property
    def effective_requests(self) -> float:
        """n/D."""
        return self.requests / self.design_effect

    @property
    def effective_late(self) -> float:
        """t/D."""
        return self.late / self.design_effect


@dataclass(frozen=True)
class Bracket:
    """The neighbouring rates between which the late fraction crosses the one allowed.

    Attributes:
        holds_per_s: The highest rate whose pooled fraction is at most the one allowed; 0 without one.
        holds_fraction: That fraction; 0 without one.
        fails_per_s: The lowest rate whose pooled fraction is more; infinity without one.
        fails_fraction: That fraction; 1 without one.
    """

    holds_per_s: float = 0.0
    holds_fraction: float = 0.0
    fails_per_s: float = math.inf
    fails_fraction: float = 1.0


def pooled_fractions(probes: Sequence[RateCounts]) -> tuple[tuple[float, float], ...]:
    """The isotonic estimate: ``(rate, late fraction)`` for each distinct rate, ascending, fractions not falling.

    Probes count by their effective requests; those without a request are left out.
    """
    from scipy.optimize import isotonic_regression

    counted = [probe for probe in probes if probe.requests > 0]
    if not counted:
        return ()
    rates, which = np.unique([probe.rate_per_s for probe in counted], return_inverse=True)
    requests = np.bincount(which, [probe.effective_requests for probe in counted])
    late = np.bincount(which, [probe.effective_late for probe in counted])
    fractions = isotonic_regression(late / requests, weights=requests).x
    return tuple(zip(rates.tolist(), fractions.tolist(), strict=True))


def bracket(probes: Sequence[RateCounts], p0: float) -> Bracket:
    """The bracket of the rate at which a fraction ``p0`` is late.

    Raises:
        ValueError: No probe has counted a request.
    """
    pooled = pooled_fractions(probes)
    if not pooled:
        raise ValueError("no probe has counted a request, so there is nothing to locate a rate by")
    holding = [point for point in pooled if point[1] <= p0]
    failing = [point for point in pooled if point[1] > p0]
    return Bracket(*(holding[-1] if holding else (0.0, 0.0)), *(failing[0] if failing else (math.inf, 1.0)))
