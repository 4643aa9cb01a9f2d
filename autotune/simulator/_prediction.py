"""What the model says of one config at one rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autotune.objective import MEAN, Ceiling

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Prediction:
    """What the model says of one config.

    Attributes:
        rate_per_s: The Poisson rate that is sustained under every ceiling; 0 where none is.
        saturation_per_s: Requests/s with the queue never empty.
        latency_s: Latency by statistic (``p50``, ``p99``, ``avg`` and those of the ceilings) at that rate, or at a low
            one where none is sustained.
        mean_batch: Requests per execution at that rate.
        concurrency: Outstanding requests of the closed loop that completes it; None where requests arrive at random.
    """

    rate_per_s: float
    saturation_per_s: float
    latency_s: Mapping[str, float]
    mean_batch: float
    concurrency: int | None = None


def statistics_s(latency_s: NDArray[np.float64], names: Sequence[str]) -> dict[str, float]:
    """Each statistic (``avg``, ``p50``, ``p99.9``, ...) of the latencies; percentiles by nearest rank, as measured."""
    quantiles = {name: Ceiling(name, 1.0).quantile for name in names if name != MEAN}
    ranks = {name: max(0, int(np.ceil(round(q * len(latency_s), 6))) - 1) for name, q in quantiles.items()}
    ordered = np.partition(latency_s, sorted(set(ranks.values()))) if ranks else latency_s
    return {name: float(ordered[ranks[name]]) if name in ranks else float(latency_s.mean()) for name in names}
