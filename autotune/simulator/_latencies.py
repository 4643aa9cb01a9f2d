"""The latency of each config at one rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from autotune.arrivals import POISSON, Arrivals
from autotune.simulator._carried import predict_each
from autotune.simulator._rates import REQUESTS

if TYPE_CHECKING:
    from autotune.objective import Ceiling
    from autotune.simulator._batching import Batching
    from autotune.simulator._carried import Carrier
    from autotune.simulator._prediction import Prediction
    from autotune.simulator._service import ServiceTimes


def lowest_latency(
    candidates: Sequence[Batching],
    service: ServiceTimes,
    rate_per_s: float,
    statistic: str = "p99",
    ceilings: Sequence[Ceiling] = (),
    *,
    requests: int = REQUESTS,
    seed: int = 0,
    spacing: Arrivals = POISSON,
) -> list[Prediction]:
    """What each config answers ``rate_per_s`` requests with.

    Args:
        candidates: The configs.
        service: How long executions take.
        rate_per_s: Requests/s that are offered.
        statistic: The statistic to compare, which `Prediction.latency_s` then holds.
        ceilings: Limits to be kept besides.
        requests: Requests in a window, of which the first tenth is not counted.
        seed: Draws them.
        spacing: How they are spaced.

    Returns:
        One prediction per candidate, in their order: with ``rate_per_s`` where it is carried under the ceilings and
        without a queue that grows, with 0 else.
    """

    def answered(carrier: Carrier) -> Prediction:
        carried = rate_per_s < carrier.saturation_per_s and carrier.level(rate_per_s) <= 1
        return carrier.at(rate_per_s, carried=carried, statistics=(statistic,))

    return predict_each(candidates, service, ceilings, requests, seed, answered, spacing)
