"""The posterior of the rate at which the late fraction crosses the one allowed, from all probes together.

The model is a logistic regression of the late fraction on the logarithm of the rate, written about its root:

    logit p(rate) = logit p0 + b (ln rate - ln root),   b > 0

Every probe counts with its effective requests n/D and late ones t/D; where the probes scatter more than that
allows, the likelihood is flattened by the deviance per degree of freedom (McCullagh and Nelder, Generalized Linear
Models, 1989, section 4.5). ``ln b`` has a weak normal prior, centred on what simulated queues show (p grows by a
factor of 1.4 to 10 with the last 3% of rate), so that the posterior is proper where no fraction lies between all and
none, for which the maximum likelihood is infinite (Gelman and others, Annals of Applied Statistics 2, 2008, on
separation). The posterior is summed on a grid, without a normal approximation, which would be poor here.

Three things make a few short probes enough:

*   Of n Poisson arrivals in a window 1/sqrt(n) more or less come than were asked for, 1 to 2% of them in 2 s: as much
    as is to be told. So the rate is that of the requests that came, as a control variate. What is late at the rate
    that was asked for is the mean over what may come, and p is convex: the root lies lower, by the shift s at which

        E[p(ln root - s + spread Z)] = p0,   Z standard normal

    (for small b * spread, b spread^2 / 2).
*   Requests over a lower limit are many where those that are late are few, and bring news of the slope. Latencies of
    a queue have a tail no heavier than exponential (Asmussen, Applied Probability and Queues, 2003, chapter X), so
    that at every rate about p(rate)^h exceed the lower limit, h the same at all rates, and unknown: uniform up to
    0.7. Where many exceed it, it tells of the body of the latencies, and counts as that many or
    more.
*   A design effect that is enlarged to be safe, as a test needs it, takes the weight from windows that hold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from autotune.measurement.statistics._isotonic import RateCounts
    from autotune.measurement.statistics._options import StatisticsOptions

_NORMAL = np.linspace(-4, 4, 33)
_NORMAL_WEIGHTS = np.exp(-_NORMAL * _NORMAL / 2) / np.exp(-_NORMAL * _NORMAL / 2).sum()


def crossing_quantiles(
    probes: Sequence[RateCounts], p0: float, levels: tuple[float, ...], options: StatisticsOptions
) -> NDArray[np.float64]:
    """Quantiles of the rate of the crossing, in the unit of the probes' rates; shape (levels,).

    Args:
        probes: All probes of one configuration, one at least with requests.
        p0: The late fraction at the crossing, in (0, 1).
        levels: Probabilities.
        options: Prior and grids.
    """
    counted = _Counted.of(probes, p0, options)
    margin = math.log(options.root_margin)
    roots = np.linspace(counted.rates.min() - margin, counted.rates.max() + margin, options.roots)
    flattening = counted.flattening(roots)
    mass = counted.root_mass(roots, flattening)
    inside = np.flatnonzero(mass > 1e-5 * mass.max())
    roots = np.linspace(roots[max(inside[0] - 1, 0)], roots[min(inside[-1] + 1, options.roots - 1)], options.roots)
    mass = counted.root_mass(roots, flattening)
    cumulated = (np.cumsum(mass) - mass / 2) / mass.sum()
    return np.asarray(np.exp(np.interp(levels, cumulated, roots)))


@dataclass(frozen=True)
class _Counted:
    """What the probes counted, as arrays over them: logarithms of rates and effective counts."""

    p0: float
    options: StatisticsOptions
    slopes: NDArray[np.float64]
    rates: NDArray[np.float64]
    shifts: NDArray[np.float64]  # (slopes, probes)
    requests: NDArray[np.float64]
    late: NDArray[np.float64]
    slow_of: NDArray[np.float64]
    slow: NDArray[np.float64]

    @classmethod
    def of(cls, probes: Sequence[RateCounts], p0: float, options: StatisticsOptions) -> _Counted:
        probes = sorted(
            (probe for probe in probes if probe.requests > 0), key=lambda probe: (probe.rate_per_s, probe.late)
        )
        median, deviation = options.slope_prior
        slopes = median * np.exp(deviation * np.linspace(-3, 3, options.slopes))
        spreads = np.array([probe.came_spread for probe in probes])
        return cls(
            p0=p0,
            options=options,
            slopes=slopes,
            rates=np.log([probe.rate_per_s * probe.came for probe in probes]),
            shifts=_shifts(spreads, slopes, p0, options.bisections),
            requests=np.array([probe.effective_requests for probe in probes]),
            late=np.array([probe.effective_late for probe in probes]),
            slow_of=np.array([probe.slow[0] for probe in probes]),
            slow=np.array([probe.slow[1] for probe in probes]),
        )

    def root_mass(self, roots: NDArray[np.float64], flattening: float) -> NDArray[np.float64]:
        """The posterior of each root, a logarithm of a rate, up to a factor."""
        log_late = self._log_late(roots)
        median, deviation = self.options.slope_prior
        prior = (np.log(self.slopes / median) / deviation) ** 2 / 2
        posterior = self._own(log_late) / flattening - prior
        if self.slow_of.any():
            exponents = np.linspace(*self.options.exponent_range, self.options.exponents)
            body = self.options.body
            lower = [_log_likelihood(self.slow_of, self.slow, h * log_late, body) for h in exponents]
            posterior = posterior + np.logaddexp.reduce(np.stack(lower) / flattening)
        return np.asarray(np.exp(posterior - posterior.max()).sum(axis=1))

    def flattening(self, roots: NDArray[np.float64]) -> float:
        """Deviance of the best fit per degree of freedom, within [1, 10]: scatter that n/D does not explain."""
        if len(self.late) <= 2:
            return 1.0
        saturated = float(self._own(np.log(np.maximum(self.late / self.requests, 1e-12))))
        deviance = 2 * (saturated - float(self._own(self._log_late(roots)).max()))
        return min(self.options.largest_flattening, max(1.0, deviance / (len(self.late) - 2)))

    def _log_late(self, roots: NDArray[np.float64]) -> NDArray[np.float64]:
        """The logarithm of the late fraction of each probe, shape (roots, slopes, probes)."""
        distance = self.rates - roots[:, np.newaxis, np.newaxis] - self.shifts
        return np.asarray(-np.logaddexp(0.0, -_logit(self.p0) - self.slopes[:, np.newaxis] * distance))

    def _own(self, log_late: NDArray[np.float64]) -> NDArray[np.float64]:
        return _log_likelihood(self.requests, self.late, log_late, 1.0)


def _log_likelihood(
    n: NDArray[np.float64], t: NDArray[np.float64], log_p: NDArray[np.float64], seen_at_least: float
) -> NDArray[np.float64]:
    """Binomial, summed over the probes in the last dimension; t/n over ``seen_at_least`` says p is that or more."""
    fraction = np.divide(t, n, out=np.zeros_like(t), where=n > 0)
    most = np.where(fraction > seen_at_least, np.log(np.maximum(fraction, 1e-300)), 0.0)
    log_p = np.minimum(np.minimum(log_p, most), -1e-12)
    return np.asarray((t * log_p + (n - t) * np.log(-np.expm1(log_p))).sum(axis=-1))


def _shifts(
    spreads: NDArray[np.float64], slopes: NDArray[np.float64], p0: float, bisections: int
) -> NDArray[np.float64]:
    """How far the root lies below that for the requests that came, in ln rate, shape (slopes, probes); by bisection."""
    low = np.zeros((len(slopes), len(spreads)))
    high = np.broadcast_to(-_NORMAL[0] * spreads, low.shape)
    for _ in range(bisections):
        shift = (low + high) / 2
        came = spreads[:, np.newaxis] * _NORMAL - shift[..., np.newaxis]
        log_late = -np.logaddexp(0.0, -_logit(p0) - slopes[:, np.newaxis, np.newaxis] * came)
        late = np.exp(log_late) @ _NORMAL_WEIGHTS
        low, high = np.where(late > p0, shift, low), np.where(late > p0, high, shift)
    return np.asarray((low + high) / 2)


def _logit(p: float) -> float:
    return math.log(p / (1 - p))
