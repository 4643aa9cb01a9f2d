"""The verdict on one offered rate while it is being offered, from counts of late requests in blocks.

Puts the design effect and the sequential test together: the test looks at n/D requests of which t/D were late
(Rao and Scott, Biometrics 48, 1992), with D estimated from the blocks seen so far. That makes the sequential test's
guarantee approximate, and simulations of queues decide how D must be estimated for it to hold:

*   The variance of the late counts alone is not enough for "holds". A queue with D = 300 shows its first bunch of
    late requests after seconds; until then there is no variance to see. A rate with 1.3 times the late requests
    allowed was certified in 24% to 90% of runs of ten of twelve queues. So requests over lower limits
    (`SLOW_FRACTIONS` of the latency limit) are counted as well: the queue crosses these many times a second, and
    their design effect, carried over to the limit, stands in. A server far from saturation is still certified as
    quickly as if its requests were independent.
*   A design effect estimated from few blocks is too small more often than too large, and an empty queue, with which
    a probe starts, is an optimistic sample. So for "holds" the estimate is enlarged, by (D - 1) times
    `SETTLING_BLOCKS` over the blocks seen. This halved the errors near the boundary; waiting twice as long before
    the first decision, or dropping the first half second, did less and cost more.
*   "fails" needs late requests, and these show their own clustering, so there D is not carried over: an
    overloaded rate is refused in a fraction of a second.

With alpha = 0.05, loads of 0.6 to 0.97, batches of 1 to 32 and 200 runs a queue that start empty (12 queues and 30 s
for p99, 8 and 20 s for p95, 3 and 15 s for p90), the largest share of wrong decisions of any queue was:

    decision             p99     p95     p90
    "holds" at 1.3 p0    0.010   0.020   0.020
    "holds" at p0        0.020   0.060   0.100
    "fails" at p0        0.055   0.080   0.075
    "fails" at 0.7 p0    0.020   0.040   0.040

What no statistic of a short run can show is a bunch with another cause than the queue, rarer than the run is long:
a pause of 50 ms every 4 s is missed by three in five runs of 2 s. The time observed is the only remedy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autotune.measurement.statistics._design_effect import ClusteredCounts, at_fraction
from autotune.measurement.statistics._sequential import Decision, confidence, e_fails, e_holds

if TYPE_CHECKING:
    from collections.abc import Sequence

SLOW_FRACTIONS = (0.7, 0.5, 0.35)
"""Fractions of the latency limit over which requests are counted as slow, to learn how they cluster."""

MIN_BLOCKS_TO_HOLD = 20
"""Blocks before "holds": 1 s of 50 ms blocks, so that a queue that starts empty can fill."""

SETTLING_BLOCKS = 20
"""Blocks after which the enlargement of the design effect for few blocks has fallen to a doubling."""

MIN_BLOCKS_TO_FAIL = 4
"""Blocks before "fails": 0.2 s of 50 ms blocks, the fewest whose scatter says something."""


@dataclass(frozen=True)
class Verdict:
    """What the counts say so far.

    Attributes:
        decision: Whether the late fraction is at most the one allowed.
        blocks: Blocks counted.
        requests: Requests counted.
        late: Late ones among them.
        design_effect: Requests that are worth one independent request, for the claim that the rate holds.
        design_effect_to_fail: The same for the claim that it fails; never larger.
        e_holds: e-value of the claim that it holds.
        e_fails: e-value of the claim that it fails.
    """

    decision: Decision
    blocks: int
    requests: int
    late: int
    design_effect: float
    design_effect_to_fail: float
    e_holds: float
    e_fails: float

    @property
    def late_fraction(self) -> float:
        """Late requests by requests; 0 without any."""
        return self.late / self.requests if self.requests else 0.0

    @property
    def effective_requests(self) -> float:
        """Independent requests that the counts are worth, n/D."""
        return self.requests / self.design_effect

    @property
    def confidence(self) -> float:
        """Confidence in whichever claim has more evidence, valid at any time: 1 - 1/e; 0 without evidence."""
        return confidence(max(self.e_holds, self.e_fails))


class LateCounts:
    """Late requests of one run against one latency limit, block by block.

    Args:
        p0: The late fraction allowed, in (0, 1): 0.01 for a ceiling on p99.
        floor: The least design effect: the batch size, as requests of one batch share their fate, or the design
            effect of an earlier probe at about this rate.
    """

    def __init__(self, p0: float, *, floor: float = 1.0) -> None:
        if not 0 < p0 < 1:
            raise ValueError(f"the late fraction allowed must be within (0, 1), not {p0:g}")
        self._p0 = p0
        self._floor = max(1.0, floor)
        self._late = ClusteredCounts()
        self._slow: tuple[ClusteredCounts, ...] = ()

    def add(self, requests: int, late: int, slow: Sequence[int] = ()) -> None:
        """Counts the next block of scheduled time.

        Args:
            requests: Requests scheduled in it.
            late: Those over the latency limit, failed ones included.
            slow: Those over each of `SLOW_FRACTIONS` of the limit, failed ones included; the same number of counts
                in every block. Without them a queue near saturation is called holding far too readily, unless
                ``floor`` is its design effect.
        """
        if not self._slow:
            self._slow = tuple(ClusteredCounts() for _ in slow)
        self._late.add(requests, late)
        for counts, block_slow in zip(self._slow, slow, strict=True):
            counts.add(requests, block_slow)

    def verdict(self, alpha: float) -> Verdict:
        """The decision at error rate ``alpha`` for either claim; cheap enough for every block (about 60 us)."""
        counts, p0 = self._late, self._p0
        effects = [counts.design_effect(), *(slow.design_effect() for slow in self._slow)]
        fractions = [counts.late_fraction, *(slow.late_fraction for slow in self._slow)]
        carried = max(map(at_fraction, effects, fractions, [p0] * len(effects)))
        to_fail = max([self._floor, *effects])
        to_hold = max(to_fail, 1 + (carried - 1) * (1 + SETTLING_BLOCKS / max(1, counts.blocks)))
        holds = e_holds(counts.requests / to_hold, counts.late / to_hold, p0)
        fails = e_fails(counts.requests / to_fail, counts.late / to_fail, p0)
        decision: Decision = "undecided"
        if holds >= 1 / alpha and counts.blocks >= MIN_BLOCKS_TO_HOLD:
            decision = "holds"
        elif fails >= 1 / alpha and counts.blocks >= MIN_BLOCKS_TO_FAIL:
            decision = "fails"
        return Verdict(
            decision=decision,
            blocks=counts.blocks,
            requests=round(counts.requests),
            late=round(counts.late),
            design_effect=to_hold,
            design_effect_to_fail=to_fail,
            e_holds=holds,
            e_fails=fails,
        )
