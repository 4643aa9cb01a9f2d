"""Common random numbers: every candidate meets the same requests, so that what differs is the candidate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autotune.arrivals import POISSON, Arrivals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autotune.simulator._service import ServiceTimes

BATCHER_FIRST = 0.15
"""How often the batcher's thread runs before the instance's own thread at the end of an execution.

The instance's thread takes the next payload; if the batcher runs first, that payload may still grow. This matters only
with a queue delay. A guess: the order depends on the machine."""


@dataclass(frozen=True, eq=False)
class Draws:
    """The random numbers of one window.

    Attributes:
        arrivals: When requests arrive at a rate of 1: divided by a rate, the times at that rate.
            Their mean gap is 1 exactly, so that the rate is the one asked for.
        overhead_s: Latency of each request outside queue and execution.
        factors: By how much each execution's time is stretched, in order of execution.
        batcher_first: Whether the batcher wakes up at the end of each execution before the instance has taken the
            next payload.
    """

    arrivals: NDArray[np.float64]
    overhead_s: NDArray[np.float64]
    factors: NDArray[np.float64]
    batcher_first: NDArray[np.bool_]

    @classmethod
    def of(cls, service: ServiceTimes, requests: int, seed: int, spacing: Arrivals = POISSON) -> Draws:
        """The numbers for ``requests`` requests; equal seeds give equal ones."""
        streams = np.random.SeedSequence(seed).spawn(4)
        gaps, overheads, factors, races = (np.random.default_rng(each) for each in streams)
        arrivals = np.cumsum(spacing.gaps(gaps, requests))
        arrivals *= requests / arrivals[-1] if requests else 1.0
        return cls(
            arrivals,
            service.overhead_s[overheads.integers(len(service.overhead_s), size=requests)],
            service.spread[factors.integers(len(service.spread), size=requests)],
            races.random(requests) < BATCHER_FIRST,
        )
