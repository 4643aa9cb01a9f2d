"""Distribution-free confidence bounds of a latency percentile from order statistics.

Of n independent latencies, Bin(n, q) lie below the q-quantile, so the k-th smallest is at or above it with
probability P[Bin(n, q) <= k - 1], whatever the distribution (David and Nagaraja, Order Statistics, 2003, section
7.1; the same count as MLPerf's early stopping). Clustered latencies are worth n/D independent ones: ranks are found
for these and scaled back.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def percentile_bounds(
    latency_s: ArrayLike, quantile: float, confidence: float, design_effect: float = 1.0
) -> tuple[float, float]:
    """Lower and upper confidence bounds, in seconds, of the latency that a fraction ``quantile`` of requests keeps.

    Each bound holds with probability ``confidence`` by itself, both together with ``2 * confidence - 1``.

    Args:
        latency_s: Latencies in any order, ``inf`` for failed requests, shape (n,).
        quantile: In (0, 1): 0.99 for p99.
        confidence: In (0.5, 1).
        design_effect: Requests that are worth one independent request.

    Returns:
        ``(lower, upper)``: ``lower`` is 0 and ``upper`` infinite where there are too few requests to bound it
        (for p99 at 95% confidence, fewer than 299 effective ones have no upper bound).
    """
    latencies = np.asarray(latency_s, np.float64)
    lower, upper = _ranks(len(latencies), quantile, confidence, design_effect)
    wanted = [rank - 1 for rank in (lower, upper) if rank is not None]
    ordered = np.partition(latencies, wanted) if wanted else latencies
    return (
        0.0 if lower is None else float(ordered[lower - 1]),
        math.inf if upper is None else float(ordered[upper - 1]),
    )


def _ranks(requests: int, quantile: float, confidence: float, design_effect: float) -> tuple[int | None, int | None]:
    """Ranks from 1 of the order statistics that bound the quantile below and above; None where none does."""
    from scipy.special import bdtr

    effective = math.floor(requests / max(1.0, design_effect))
    if effective < 1:
        return None, None
    reach = 10 * math.sqrt(effective * quantile * (1 - quantile)) + 20  # beyond it the tail is below 1e-15
    first = max(0, math.floor(effective * quantile - reach))
    counts = np.arange(first, min(effective, math.ceil(effective * quantile + reach)) + 1, dtype=np.float64)
    at_most = bdtr(counts, effective, quantile)
    below = first + int(np.searchsorted(at_most, 1 - confidence, side="right"))  # P[Bin <= below - 1] <= 1 - c
    above = first + int(np.searchsorted(at_most, confidence)) + 1  # P[Bin <= above - 1] >= c
    return (
        math.floor((below - 1) * requests / effective) + 1 if below >= 1 else None,
        math.ceil(above * requests / effective) if above <= effective else None,
    )
