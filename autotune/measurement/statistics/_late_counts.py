"""The verdict on one offered rate while it is being offered, from counts of late requests in blocks.

Puts the design effect and the sequential test together: the test looks at n/D requests of which t/D were late
(Rao and Scott, Biometrics 48, 1992), with D estimated from the blocks seen so far. That makes the sequential test's
guarantee approximate, and simulations of queues decide how D must be estimated for it to hold:

*   The variance of the late counts alone is not enough for "holds". A queue with D = 300 shows its first bunch of
    late requests after seconds; until then there is no variance to see, and a rate with 1.3 times the late requests
    allowed would mostly be certified. So requests over lower limits
    (`slow_fractions` of the latency limit) are counted as well: the queue crosses these many times a second, and
    their design effect, carried over to the limit, stands in: that of the highest such limit that was crossed
    often enough to tell (`enough_bunches`), with those above it. How often requests exceed a third of the limit
    follows how fast the machine is just now, which says little of the limit itself. A server far from saturation is
    still certified as quickly as if its requests were independent.
*   A design effect estimated from few blocks is too small more often than too large, and an empty queue, with which
    a probe starts, is an optimistic sample. So for "holds" the estimate is enlarged, by (D - 1) times
    `settling_blocks` over the blocks seen; waiting longer before the first decision did less and cost more.
*   Those counts are evidence themselves. The tail of a queue's latency is no heavier than exponential (Kingman 1964;
    Asmussen, Applied Probability and Queues, 2003, chapter X), so where a fraction p0 exceeds the limit L, at least
    about p0^f exceed f L: 4% exceed 0.7 L where 1% exceed L. `tail_slack` of that is tested at each of the lower
    limits, and the e-values are averaged (`own_weight`). A busy queue is so certified within seconds much closer to
    the crossing. Where fewer requests exceed a lower limit than go with those that are late (one, where none is yet),
    they are late for another reason than the queue, or may be, and that limit's evidence counts as none.
*   "fails" needs late requests, and these show their own clustering, so there D is not carried over: an
    overloaded rate is refused in a fraction of a second.

`tests/measurement/statistics/test_queues.py` states the error rates on simulated queues, with their tolerances.

What no statistic of a short run can show is a bunch with another cause than the queue, rarer than the run is long:
a pause of 50 ms every 4 s is missed by most runs of 2 s. The time observed is the only remedy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autotune.measurement.statistics._design_effect import ClusteredCounts, at_fraction
from autotune.measurement.statistics._options import DEFAULTS, StatisticsOptions
from autotune.measurement.statistics._sequential import Decision, e_fails, e_holds

if TYPE_CHECKING:
    from collections.abc import Sequence


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
        effective: Effective requests and late ones, n/D and t/D, at the limit and at each of `slow_fractions` of it;
            those of earlier windows included.
        levels: The same of this window alone, with design effects as they are estimated: of what is late on the
            average they say more, and nothing that a test may rely on.
    """

    decision: Decision
    blocks: int
    requests: int
    late: int
    design_effect: float
    design_effect_to_fail: float
    e_holds: float
    e_fails: float
    effective: tuple[tuple[float, float], ...]
    levels: tuple[tuple[float, float], ...]

    @property
    def late_fraction(self) -> float:
        """Late requests by requests; 0 without any."""
        return self.late / self.requests if self.requests else 0.0


class LateCounts:
    """Late requests of one run against one latency limit, block by block.

    Args:
        p0: The late fraction allowed, in (0, 1): 0.01 for a ceiling on p99.
        floor: The least design effect: the batch size, as requests of one batch share their fate, or the design
            effect of an earlier probe at about this rate.
        earlier: The `Verdict.effective` of earlier windows that were given up, at rates at least as high: no more is
            late at this one, so what they showed counts for the claim that it holds.
        options: Corrections for clustering.
    """

    def __init__(
        self,
        p0: float,
        *,
        floor: float = 1.0,
        earlier: Sequence[tuple[float, float]] = (),
        options: StatisticsOptions = DEFAULTS,
    ) -> None:
        if not 0 < p0 < 1:
            raise ValueError(f"the late fraction allowed must be within (0, 1), not {p0:g}")
        self._p0 = p0
        self._floor = max(1.0, floor)
        self._earlier = tuple(earlier)
        self._options = options
        self._late = ClusteredCounts(options)
        self._slow: tuple[ClusteredCounts, ...] = ()

    def add(self, requests: int, late: int, slow: Sequence[int] = ()) -> None:
        """Counts the next block of scheduled time.

        Args:
            requests: Requests scheduled in it.
            late: Those over the latency limit, failed ones included.
            slow: Those over each of `slow_fractions` of the limit, failed ones included; the same number of counts
                in every block. Without them a queue near saturation is called holding far too readily, unless
                ``floor`` is its design effect.
        """
        if not self._slow:
            self._slow = tuple(ClusteredCounts(self._options) for _ in slow)
        self._late.add(requests, late)
        for counts, block_slow in zip(self._slow, slow, strict=True):
            counts.add(requests, block_slow)

    def verdict(self, alpha: float) -> Verdict:
        """The decision at error rate ``alpha`` for either claim; cheap enough for every block."""
        counts = self._late
        effects = [level.design_effect() for level in (counts, *self._slow)]
        effective, to_hold = self._effective(effects)
        to_fail = max([self._floor, *effects])
        holds = self._e_holds(effective)
        fails = e_fails(counts.requests / to_fail, counts.late / to_fail, self._p0)
        decision: Decision = "undecided"
        if holds >= 1 / alpha and counts.blocks >= self._options.min_blocks_to_hold:
            decision = "holds"
        elif fails >= 1 / alpha and counts.blocks >= self._options.min_blocks_to_fail:
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
            effective=effective,
            levels=self._levels(effects),
        )

    def e_holds_after(self, blocks: float) -> float:
        """The e-value of the claim that it holds after so many blocks in all, if they go on like those so far."""
        effects = [level.design_effect() for level in (self._late, *self._slow)]
        return self._e_holds(self._effective(effects, max(1.0, blocks))[0])

    def _effective(
        self, effects: Sequence[float], blocks: float | None = None
    ) -> tuple[tuple[tuple[float, float], ...], float]:
        """Effective requests and late ones at each limit, earlier windows' included, and the design effect."""
        seen = max(1, self._late.blocks)
        ahead = seen if blocks is None else blocks
        settling = 1 + self._options.settling_blocks / ahead
        effective = []
        to_hold = self._floor
        for index, level in enumerate((self._late, *self._slow)):
            carried = self._carried(index, effects)
            effect = max(self._floor, effects[index], 1 + (carried - 1) * settling)
            requests, late = self._earlier[index] if index < len(self._earlier) else (0.0, 0.0)
            worth = ahead / seen / effect
            effective.append((requests + level.requests * worth, late + level.late * worth))
            if index == 0:
                to_hold = max(effect, *effects)
        return tuple(effective), to_hold

    def _levels(self, effects: Sequence[float]) -> tuple[tuple[float, float], ...]:
        counted = []
        for index, level in enumerate((self._late, *self._slow)):
            effect = max(self._floor, effects[index], self._carried(index, effects))
            counted.append((level.requests / effect, level.late / effect))
        return tuple(counted)

    def _carried(self, index: int, effects: Sequence[float]) -> float:
        """The design effect at a limit by what exceeds it and the lower ones, as far down as need be."""
        carried = 1.0
        for lower, effect in zip((self._late, *self._slow)[index:], effects[index:], strict=True):
            carried = max(carried, at_fraction(effect, lower.late_fraction, self._allowed(index)))
            if lower.late >= self._options.enough_bunches * max(self._floor, effect):
                break
        return carried

    def _e_holds(self, effective: Sequence[tuple[float, float]]) -> float:
        """The weighted average over the limits.

        That of e-values is one, whatever their dependence (Vovk and Wang, Annals of Statistics 49, 2021). Earlier
        windows are part of the same test, which goes on: what they showed cannot be left out where it is little.
        """
        options = self._options
        late_at_least = max(1.0, self._late.late) / max(1.0, self._late.requests)
        evidence = []
        for index, (requests, late) in enumerate(effective):
            contradicted = index and (
                self._slow[index - 1].late_fraction
                < options.tail_slack * late_at_least ** options.slow_fractions[index - 1]
            )
            evidence.append(0.0 if contradicted else e_holds(requests, late, self._allowed(index)))
        own, *lower = evidence
        return options.own_weight * own + (1 - options.own_weight) * sum(lower) / len(lower) if lower else own

    def _allowed(self, index: int) -> float:
        """The fraction that may exceed the limit, or one of `slow_fractions` of it."""
        return (
            self._p0 if index == 0 else self._options.tail_slack * self._p0 ** self._options.slow_fractions[index - 1]
        )
