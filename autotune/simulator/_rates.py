"""The highest rate that each config sustains under the ceilings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from autotune.arrivals import POISSON, Arrivals
from autotune.simulator._loaded_config import predict_each

if TYPE_CHECKING:
    from autotune.objective import Ceiling
    from autotune.simulator._batching import Batching
    from autotune.simulator._prediction import Prediction
    from autotune.simulator._service import ServiceTimes

REQUESTS = 20_000
"""Requests in a window."""
RESOLUTION = 0.02
"""Between which rates, one sustained and one not, the highest is interpolated: their distance as a fraction."""
# Parts of the saturation, tried from above: with a queue delay a low rate may miss a ceiling that a higher one keeps.
_PARTS = (0.98, 0.93, 0.86, 0.76, 0.63, 0.48, 0.32, 0.18, 0.08, 0.02)
# A level of 0 (nobody late) has no logarithm.
_LEAST_LEVEL = 0.02
# A step moves at least this part of the bracket.
_MARGIN = 0.15


def highest_rate(
    batching: Batching, service: ServiceTimes, ceilings: Sequence[Ceiling], *, requests: int = REQUESTS, seed: int = 0
) -> Prediction:
    """The highest Poisson rate at which the config keeps every ceiling; see `highest_rates`."""
    return highest_rates([batching], service, ceilings, requests=requests, seed=seed)[0]


def highest_rates(
    candidates: Sequence[Batching],
    service: ServiceTimes,
    ceilings: Sequence[Ceiling],
    *,
    requests: int = REQUESTS,
    seed: int = 0,
    spacing: Arrivals = POISSON,
) -> list[Prediction]:
    """The highest rate at which each config keeps every ceiling.

    A percentile's ceiling holds where at most a fraction 1 - q of the requests is over its limit, a mean's where the
    mean is not. A queue that grows through the window is not sustained, and no rate above the saturation is tried.

    Args:
        candidates: The configs.
        service: How long executions take.
        ceilings: The limits; without any the answer is close to the saturation.
        requests: Requests in a window, of which the first tenth is not counted. Every candidate and every rate meets
            the same ones (common random numbers), stretched to the rate.
            More of them tell candidates apart that are closer to each other, at a cost in proportion.
        seed: Draws them.
        spacing: How they are spaced.

    Returns:
        One prediction per candidate, in their order; latencies are those at the highest rate that was simulated and
        sustained, less than `RESOLUTION` below.
    """
    return predict_each(candidates, service, ceilings, requests, seed, highest_sustained, spacing)


class UnderLoad(Protocol):
    """A config, or a pipeline of several, that sustains a rate or does not."""

    saturation_per_s: float

    @property
    def sustained_per_s(self) -> float: ...

    def level(self, rate_per_s: float) -> float: ...

    def at(self, rate_per_s: float, *, sustained: bool) -> Prediction: ...


def highest_sustained(config: UnderLoad) -> Prediction:
    """The highest rate that ``config`` sustains; of rate 0 where it sustains none."""
    high, above = config.saturation_per_s, 2.0
    for part in _PARTS:
        low = part * config.saturation_per_s
        below = config.level(low)
        if below <= 1:
            rate_per_s = _crossing(config, low, below, high, above)
            return replace(config.at(config.sustained_per_s, sustained=True), rate_per_s=rate_per_s)
        high, above = low, below
    return config.at(high, sustained=False)


def _crossing(config: UnderLoad, low: float, below: float, high: float, above: float) -> float:
    """The highest rate between ``low`` (sustained) and ``high`` (not) whose level is at most 1.

    Regula falsi on the logarithm of the level, which grows about evenly with the rate. A side that stays is halved
    (after the Illinois rule: Dowell and Jarratt, BIT 11, 1971), so that both close in. The last bracket is
    interpolated: single requests make steps in the level that are as wide.
    """
    below, above = math.log(max(below, _LEAST_LEVEL)), math.log(above)
    halved_below = halved_above = 1.0
    while high > low * (1 + RESOLUTION):
        part = below * halved_below / (below * halved_below - above * halved_above)
        middle = low + (high - low) * min(max(part, _MARGIN), 1 - _MARGIN)
        level = config.level(middle)
        if level <= 1:
            low, below = middle, math.log(max(level, _LEAST_LEVEL))
            halved_below, halved_above = 1.0, halved_above / 2
        else:
            high, above = middle, math.log(level)
            halved_below, halved_above = halved_below / 2, 1.0
    return low + (high - low) * below / (below - above)
