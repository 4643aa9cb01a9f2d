"""Latency histograms that can be pooled: log-spaced buckets, exact to 3 significant digits.

After Gil Tene's HdrHistogram: the relative width of every bucket is the same, so a percentile read from it is
off by at most that width (0.1%) wherever it lies. Percentiles of several windows come from their counts together;
averaging percentiles would be wrong.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Histogram = tuple[tuple[float, int], ...]

_LOWEST_S = 1e-6
_HIGHEST_S = 100.0
_BUCKET_RATIO = 1.001


@cache
def _edges_s() -> NDArray[np.float64]:
    """Upper bucket edges in seconds, ending with infinity; six digits, so that they survive JSON compactly."""
    count = math.ceil(math.log(_HIGHEST_S / _LOWEST_S) / math.log(_BUCKET_RATIO)) + 1
    edges = [float(f"{_LOWEST_S * _BUCKET_RATIO**index:.6g}") for index in range(count)]
    return np.array([*edges, math.inf])


def histogram(latency_s: NDArray[np.float64]) -> Histogram:
    """Non-empty buckets as ``(upper edge in seconds, count)``, ascending, of latencies in seconds.

    Buckets run from 1 µs to 100 s; what is above, and failed requests (infinite), fall in a last bucket with
    an infinite edge.
    """
    edges = _edges_s()
    counts = np.bincount(np.searchsorted(edges, latency_s, side="left"), minlength=len(edges))
    return tuple((float(edges[index]), int(counts[index])) for index in np.flatnonzero(counts))
