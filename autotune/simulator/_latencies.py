"""The latency of each config at one rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from autotune.arrivals import POISSON, Arrivals
from autotune.simulator._loaded_config import predict_each
from autotune.simulator._rates import REQUESTS

if TYPE_CHECKING:
    from autotune.objective import Ceiling
    from autotune.simulator._batching import Batching
    from autotune.simulator._loaded_config import LoadedConfig
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
        One prediction per candidate, in their order: with ``rate_per_s`` where it is sustained under the ceilings and
        without a queue that grows, with 0 else.
    """

    def answered(config: LoadedConfig) -> Prediction:
        sustained = rate_per_s < config.saturation_per_s and config.level(rate_per_s) <= 1
        return config.at(rate_per_s, sustained=sustained, statistics=(statistic,))

    return predict_each(candidates, service, ceilings, requests, seed, answered, spacing)
