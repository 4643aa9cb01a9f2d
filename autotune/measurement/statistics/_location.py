"""Location of the rate at which the late fraction crosses the one allowed, and the rate to probe next."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autotune.measurement.statistics._crossing import crossing_quantiles
from autotune.measurement.statistics._isotonic import Bracket, bracket
from autotune.measurement.statistics._options import DEFAULTS, StatisticsOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autotune.measurement.statistics._isotonic import RateCounts


@dataclass(frozen=True)
class Location:
    """Where the late fraction crosses the one allowed.

    Attributes:
        rate_per_s: The rate of the crossing: the posterior median; at most 30% beyond the probes while one side of
            the bracket is missing. On a cliff near the bracket's geometric middle: as far from it as what came may be
            from what was asked for.
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


def locate(
    probes: Sequence[RateCounts], p0: float, confidence: float = 0.9, options: StatisticsOptions = DEFAULTS
) -> Location:
    """The rate at which a fraction ``p0`` of requests is late.

    Args:
        probes: All probes of one configuration, in any order; rates may repeat and may contradict each other.
        p0: The fraction allowed, in (0, 1).
        confidence: Probability that the interval holds the crossing, given the model.
        options: The prior of the fit.

    Raises:
        ValueError: No probe has counted a request.
    """
    ends = bracket(probes, p0)
    tail = (1 - confidence) / 2
    low, rate_per_s, high = (float(each) for each in crossing_quantiles(probes, p0, (tail, 0.5, 1 - tail), options))
    if _is_cliff(ends, p0, options):
        low, high = ends.holds_per_s, ends.fails_per_s
        middle, came = math.sqrt(low * high), math.exp(options.came * max(probe.came_spread for probe in probes))
        rate_per_s = min(max(rate_per_s, middle / came), middle * came)
    if ends.holds_per_s <= 0:
        rate_per_s = max(rate_per_s, options.largest_step_down * ends.fails_per_s)
    if math.isinf(ends.fails_per_s):
        rate_per_s = min(rate_per_s, options.largest_step_up * ends.holds_per_s)
    return Location(
        rate_per_s=rate_per_s,
        low_per_s=min(low, rate_per_s) if ends.holds_per_s > 0 else 0.0,
        high_per_s=max(high, rate_per_s) if math.isfinite(ends.fails_per_s) else math.inf,
    )


def next_rate(probes: Sequence[RateCounts], p0: float, options: StatisticsOptions = DEFAULTS) -> float:
    """The rate to probe next, in the unit of the probes' rates: where the crossing is thought to be.

    Between a holding and a failing probe it keeps a tenth of their logarithmic distance from both, so that every
    probe shrinks the bracket; on a cliff it is their geometric middle. With no failing probe yet it goes up by 3% to
    30%, with no holding one down by 3% to 30%.

    Raises:
        ValueError: No probe has counted a request.
    """
    ends = bracket(probes, p0)
    rate_per_s = locate(probes, p0, options=options).rate_per_s
    if ends.holds_per_s <= 0:
        return max(
            options.largest_step_down * ends.fails_per_s, min(rate_per_s, ends.fails_per_s / options.smallest_step)
        )
    if not math.isfinite(ends.fails_per_s):
        return min(
            options.largest_step_up * ends.holds_per_s, max(rate_per_s, ends.holds_per_s * options.smallest_step)
        )
    if _is_cliff(ends, p0, options):
        return math.sqrt(ends.holds_per_s * ends.fails_per_s)
    margin: float = (ends.fails_per_s / ends.holds_per_s) ** options.interior
    return min(max(rate_per_s, ends.holds_per_s * margin), ends.fails_per_s / margin)


def _is_cliff(ends: Bracket, p0: float, options: StatisticsOptions) -> bool:
    """Whether the fraction jumps from far below to far above between two neighbouring probes.

    Nothing is then known of the crossing but the bracket.
    """
    if ends.holds_per_s <= 0 or not math.isfinite(ends.fails_per_s):
        return False
    odds = p0 / (1 - p0)
    holds, fails = ends.holds_fraction, ends.fails_fraction
    return holds <= options.cliff_odds_below * odds * (1 - holds) and fails >= options.cliff_odds_above * odds * (
        1 - fails
    )
