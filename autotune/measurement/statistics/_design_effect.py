"""The design effect: how many clustered requests are worth one independent request.

Late requests come in bunches, because a queue that is long now is long a moment later. Counted in blocks of
scheduled time, the late fraction is a ratio of two block totals, and its variance is that of a ratio estimator
(Cochran, Sampling Techniques, 1977, section 6.3; Kish, Survey Sampling, 1965, section 5.4):

    Var(T) = K/(K-1) * sum_k (t_k - p n_k)^2,   D = Var(T) / (N p (1 - p)),   p = T/N

Blocks of 50 ms of a queue near saturation are themselves correlated. So D is estimated from blocks merged by
2, 4, 8, ... and the largest estimate counts (batch means with several batch lengths; Schmeiser, Operations Research
30, 1982).

A bunch that has not been seen yet shows in no variance. But the same queue crosses a lower latency limit far more
often, and the design effects at two limits are related. In heavy traffic a queue is a reflected Brownian motion with
exponential stationary law (Harrison, Brownian Motion and Stochastic Flow Systems, 1985). Solving Poisson's equation
for the time it spends above a level exceeded with probability p gives

    D(p) proportional to 1 + p ln(p) / (1 - p)

which `at_fraction` uses.
"""

from __future__ import annotations

import math

from autotune.measurement.statistics._options import DEFAULTS, StatisticsOptions


class ClusteredCounts:
    """Requests and late ones, block by block, with the design effect of what was counted so far.

    Attributes:
        blocks: Blocks counted.
        requests: Requests in them.
        late: Late ones among these.
    """

    __slots__ = ("_merged", "blocks", "late", "requests")

    def __init__(self, options: StatisticsOptions = DEFAULTS) -> None:
        self.blocks = 0
        self.requests = 0.0
        self.late = 0.0
        self._merged = tuple(
            _MergedBlocks(merge, 2 if merge == 1 else options.min_merged_blocks) for merge in options.merges
        )

    def add(self, requests: float, late: float) -> None:
        """Counts the next block."""
        self.blocks += 1
        self.requests += requests
        self.late += late
        for merged in self._merged:
            merged.add(requests, late)

    @property
    def late_fraction(self) -> float:
        """Late requests by requests; 0 without any."""
        return self.late / self.requests if self.requests else 0.0

    def design_effect(self) -> float:
        """The largest estimate over all block lengths; 1 where none can be made (none late, all late, one block)."""
        return max(1.0, *(merged.design_effect() for merged in self._merged))


class _MergedBlocks:
    """Sums over blocks of one length, from which the variance of the late count follows at any time."""

    __slots__ = ("_filled", "_late", "_least", "_merge", "_nn", "_nt", "_requests", "_sum_n", "_sum_t", "_tt", "blocks")

    def __init__(self, merge: int, least: int) -> None:
        self.blocks = 0
        self._least = least
        self._merge = merge
        self._filled = 0
        self._requests = self._late = 0.0
        self._sum_n = self._sum_t = self._nn = self._nt = self._tt = 0.0

    def add(self, requests: float, late: float) -> None:
        self._requests += requests
        self._late += late
        self._filled += 1
        if self._filled == self._merge:
            n, t = self._requests, self._late
            self.blocks += 1
            self._sum_n += n
            self._sum_t += t
            self._nn += n * n
            self._nt += n * t
            self._tt += t * t
            self._filled = 0
            self._requests = self._late = 0.0

    def design_effect(self) -> float:
        blocks = self.blocks
        if blocks < self._least or not 0 < self._sum_t < self._sum_n:
            return 0.0
        p = self._sum_t / self._sum_n
        squares = self._tt - 2 * p * self._nt + p * p * self._nn
        return squares * blocks / (blocks - 1) / (self._sum_t * (1 - p))


def at_fraction(effect: float, seen_fraction: float, wanted_fraction: float) -> float:
    """The design effect where ``wanted_fraction`` of requests is over a limit, from that where ``seen_fraction`` is.

    A limit that more than 80% of requests exceed says too little about the queue's peaks, and one that fewer than
    ``wanted_fraction`` exceed clusters alike: both return ``effect`` unchanged. So does ``effect`` up to 1.
    """
    if effect <= 1 or not wanted_fraction < seen_fraction <= 0.8:
        return effect
    return max(1.0, effect * _relative(wanted_fraction) / _relative(seen_fraction))


def _relative(fraction: float) -> float:
    return 1 + fraction * math.log(fraction) / (1 - fraction)
