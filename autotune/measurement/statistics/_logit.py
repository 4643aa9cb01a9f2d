"""Location of the rate at which the late fraction crosses the one allowed, from all probes together.

The model is a logistic regression of the late fraction on the logarithm of the rate, written about its root:

    logit p(rate) = logit p0 + b (ln rate - ln root),   b > 0

Every probe counts with its effective requests n/D and late ones t/D; where the probes scatter more than that
allows, the likelihood is flattened by the deviance per degree of freedom (McCullagh and Nelder, Generalized Linear
Models, 1989, section 4.5). ``ln b`` has a weak normal prior, centred on what simulated queues show (p grows by a
factor of 1.4 to 10 with the last 3% of rate), so that the posterior is proper where no fraction lies between all and
none, for which the maximum likelihood is infinite (Gelman and others, Annals of Applied Statistics 2, 2008, on
separation). The root's posterior is summed on a grid; it gives the median and the interval without a normal
approximation, which would be poor there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autotune.measurement.statistics._isotonic import Bracket, bracket

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from autotune.measurement.statistics._isotonic import RateCounts

LARGEST_STEP_UP = 1.3
LARGEST_STEP_DOWN = 0.7
SMALLEST_STEP = 1.03
"""How far `next_rate` goes beyond the probes while there is no upper or lower end: a factor of the rate."""

_INTERIOR = 0.1
_SLOPE_PRIOR_LOG = (math.log(30.0), 1.0)
_MARGIN = math.log(2.0)
_LARGEST_FLATTENING = 10.0
_CLIFF_ODDS_BELOW = 0.25
_CLIFF_ODDS_ABOVE = 20.0


@dataclass(frozen=True)
class Location:
    """Where the late fraction crosses the one allowed.

    Attributes:
        rate_per_s: The rate of the crossing: the posterior median; at most 30% beyond the probes while one side of
            the bracket is missing. On a cliff the bracket's geometric middle.
        low_per_s: Lower end of the interval; 0 while every probe fails. On a cliff the highest holding rate.
        high_per_s: Upper end of the interval; infinite while no probe fails. On a cliff the lowest failing rate.
    """

    rate_per_s: float
    low_per_s: float
    high_per_s: float

    @property
    def relative_width(self) -> float:
        """Width of the interval as a fraction of its lower end; infinite while an end is missing."""
        return self.high_per_s / self.low_per_s - 1 if self.low_per_s > 0 else math.inf


def locate(probes: Sequence[RateCounts], p0: float, confidence: float = 0.9) -> Location:
    """The rate at which a fraction ``p0`` of requests is late.

    Args:
        probes: All probes of one configuration, in any order; rates may repeat and may contradict each other.
        p0: The fraction allowed, in (0, 1).
        confidence: Probability that the interval holds the crossing, given the model.

    Raises:
        ValueError: No probe has counted a request.
    """
    ends = bracket(probes, p0)
    if _is_cliff(ends, p0):
        middle = math.sqrt(ends.holds_per_s * ends.fails_per_s)
        return Location(middle, ends.holds_per_s, ends.fails_per_s)
    tail = (1 - confidence) / 2
    low, median, high = np.exp(_root_quantiles(probes, p0, (tail, 0.5, 1 - tail)))
    rate_per_s = float(median)
    if ends.holds_per_s <= 0:
        rate_per_s = max(rate_per_s, LARGEST_STEP_DOWN * ends.fails_per_s)
    if math.isinf(ends.fails_per_s):
        rate_per_s = min(rate_per_s, LARGEST_STEP_UP * ends.holds_per_s)
    return Location(
        rate_per_s=rate_per_s,
        low_per_s=min(float(low), rate_per_s) if ends.holds_per_s > 0 else 0.0,
        high_per_s=max(float(high), rate_per_s) if math.isfinite(ends.fails_per_s) else math.inf,
    )


def next_rate(probes: Sequence[RateCounts], p0: float) -> float:
    """The rate to probe next, in the unit of the probes' rates: where the crossing is thought to be.

    Between a holding and a failing probe it keeps a tenth of their logarithmic distance from both, so that every
    probe shrinks the bracket; on a cliff it is their geometric middle. With no failing probe yet it goes up by 3% to
    30%, with no holding one down by 3% to 30%.

    Raises:
        ValueError: No probe has counted a request.
    """
    ends = bracket(probes, p0)
    rate_per_s = locate(probes, p0).rate_per_s
    if ends.holds_per_s <= 0:
        return max(LARGEST_STEP_DOWN * ends.fails_per_s, min(rate_per_s, ends.fails_per_s / SMALLEST_STEP))
    if not math.isfinite(ends.fails_per_s):
        return min(LARGEST_STEP_UP * ends.holds_per_s, max(rate_per_s, ends.holds_per_s * SMALLEST_STEP))
    margin: float = (ends.fails_per_s / ends.holds_per_s) ** _INTERIOR
    return min(max(rate_per_s, ends.holds_per_s * margin), ends.fails_per_s / margin)


def _is_cliff(ends: Bracket, p0: float) -> bool:
    """Whether the fraction jumps from far below to far above between two neighbouring probes.

    Nothing is then known of the crossing but the bracket.
    """
    if ends.holds_per_s <= 0 or not math.isfinite(ends.fails_per_s):
        return False
    odds = p0 / (1 - p0)
    holds, fails = ends.holds_fraction, ends.fails_fraction
    return holds <= _CLIFF_ODDS_BELOW * odds * (1 - holds) and fails >= _CLIFF_ODDS_ABOVE * odds * (1 - fails)


def _root_quantiles(probes: Sequence[RateCounts], p0: float, levels: tuple[float, ...]) -> NDArray[np.float64]:
    """Quantiles of the logarithm of the crossing's rate: one pass over all rates, a second where the mass is."""
    counted = [probe for probe in probes if probe.requests > 0]
    x = np.log([probe.rate_per_s for probe in counted])
    n = np.array([probe.effective_requests for probe in counted])
    t = np.array([probe.effective_late for probe in counted])
    slopes = _SLOPE_PRIOR_LOG[0] + _SLOPE_PRIOR_LOG[1] * np.linspace(-3, 3, 25)
    roots = np.linspace(x.min() - _MARGIN, x.max() + _MARGIN, 101)
    loglik = _log_likelihood(x, n, t, p0, roots, slopes)
    flattening = _flattening(loglik, n, t)
    mass = _root_mass(loglik / flattening, slopes)
    inside = np.flatnonzero(mass > 1e-5 * mass.max())
    roots = np.linspace(roots[max(inside[0] - 1, 0)], roots[min(inside[-1] + 1, len(roots) - 1)], 201)
    mass = _root_mass(_log_likelihood(x, n, t, p0, roots, slopes) / flattening, slopes)
    cumulated = (np.cumsum(mass) - mass / 2) / mass.sum()
    return np.interp(levels, cumulated, roots)


def _log_likelihood(
    x: NDArray[np.float64],
    n: NDArray[np.float64],
    t: NDArray[np.float64],
    p0: float,
    roots: NDArray[np.float64],
    log_slopes: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Binomial log-likelihood of the probes (m,) for each root and slope, shape (roots, slopes)."""
    distance = x[np.newaxis, :] - roots[:, np.newaxis]
    eta = math.log(p0 / (1 - p0)) + np.exp(log_slopes)[np.newaxis, :, np.newaxis] * distance[:, np.newaxis, :]
    return np.asarray((t * eta - n * np.logaddexp(0.0, eta)).sum(axis=-1))


def _flattening(loglik: NDArray[np.float64], n: NDArray[np.float64], t: NDArray[np.float64]) -> float:
    """Deviance of the best fit per degree of freedom, within [1, 10]: scatter that n/D does not explain."""
    if len(n) <= 2:
        return 1.0
    p = np.clip(t / n, 1e-12, 1 - 1e-12)
    saturated = float((t * np.log(p) + (n - t) * np.log1p(-p)).sum())
    deviance = 2 * (saturated - float(loglik.max()))
    return min(_LARGEST_FLATTENING, max(1.0, deviance / (len(n) - 2)))


def _root_mass(loglik: NDArray[np.float64], log_slopes: NDArray[np.float64]) -> NDArray[np.float64]:
    mean, sd = _SLOPE_PRIOR_LOG
    log_posterior = loglik - (log_slopes - mean) ** 2 / (2 * sd * sd)
    return np.asarray(np.exp(log_posterior - log_posterior.max()).sum(axis=1))
