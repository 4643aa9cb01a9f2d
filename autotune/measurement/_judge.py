"""Follows one window of load and ends it as soon as it is decided."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from autotune.load import BLOCK_S, LoadResult, Progress, Watch
from autotune.measurement._options import DEFAULTS, MeasureOptions
from autotune.measurement._types import Evidence
from autotune.measurement.statistics import (
    LateCounts,
    Verdict,
    confidence,
    percentile_bounds,
)
from autotune.objective import Ceiling

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class StopRule:
    """When a window may end early, as error rates of the sequential test; None: not for that reason.

    Attributes:
        holds_alpha: Once every percentile ceiling is shown to hold, with at most this chance of being wrong.
        fails_alpha: Once one is shown to be broken, likewise; also once a queue grows without bound.
        hopeless: Once more requests were late than may be in the whole window, which a single pause can do.
        earlier: For each percentile ceiling the `Evidence.effective` of earlier windows at higher rates, which speak
            for this one too; empty without any.
    """

    holds_alpha: float | None = None
    fails_alpha: float | None = None
    hopeless: bool = False
    earlier: tuple[tuple[tuple[float, float], ...], ...] = ()


class Judge:
    """Counts late requests against the percentile ceilings as a window goes on.

    Args:
        ceilings: What is promised; means are judged at the window's end, from the latencies.
        rule: When to end the window.
        clustering: The least design effect: the requests that the server answers together.
        requests_per_s: The rate that is offered; None in a closed loop, which cannot queue up.
        window_s: How long the whole window would be.
        options: When a queue is a backlog, and what of a window is left out.
        shares: The part of the requests that each of several models gets; empty for one model.

    Attributes:
        decided: What ended the window; empty where nothing did.
        certain: Whether it failed with the certainty that the rule asks for, and not because more requests than may
            be in the whole window were late already, which a single pause does.
        stopped: The same in words.
    """

    def __init__(
        self,
        ceilings: Sequence[Ceiling],
        rule: StopRule = StopRule(),
        *,
        clustering: float = 1.0,
        requests_per_s: float | None = None,
        window_s: float = math.inf,
        options: MeasureOptions = DEFAULTS,
        shares: Mapping[str, float] | None = None,
    ) -> None:
        self._options = options
        self.decided: Literal["", "holds", "fails"] = ""
        self.certain = False
        self.stopped = ""
        percentiles = [ceiling for ceiling in ceilings if not ceiling.is_mean]
        self._ceilings = tuple(sorted(percentiles, key=lambda each: each.of_first_response))  # as a watch counts
        shares = shares or {}
        self._streams = tuple(list(shares).index(each.model) if shares else 0 for each in self._ceilings)
        self._shares = tuple(shares.get(each.model, 1.0) for each in self._ceilings)
        self._mixed = bool(shares)
        self._rule = rule
        self._clustering = clustering
        self._counts = self._fresh_counts()
        self._confidence = [0.0 for _ in self._ceilings]
        backlog_s = options.backlog_limits * max((ceiling.limit_s for ceiling in ceilings), default=math.inf)
        self._backlog = (
            math.inf if requests_per_s is None else max(self._options.least_backlog, requests_per_s * backlog_s)
        )
        self._backlogged = 0
        self._planned = math.inf if requests_per_s is None else requests_per_s * window_s

    @property
    def watch(self) -> Watch | None:
        """What the load generator tells of its progress; None where nothing could end the window."""
        if self._rule == StopRule() or not self._ceilings:
            return None
        ends, firsts = (
            [
                (limit_s, stream)
                for ceiling, stream in self._of_streams()
                if ceiling.of_first_response is first
                for limit_s in self._limits_s(ceiling)
            ]
            for first in (False, True)
        )
        return Watch(
            tuple(limit_s for limit_s, _ in ends),
            self.on_progress,
            tuple(limit_s for limit_s, _ in firsts),
            tuple(stream for _, stream in ends) if self._mixed else (),
        )

    def _of_streams(self) -> Iterator[tuple[Ceiling, int]]:
        """Each ceiling with the place of the model that it is for."""
        return zip(self._ceilings, self._streams, strict=True)

    def on_progress(self, progress: Progress) -> bool:
        """Takes news of the window; True once it is decided."""
        each = 1 + len(self._options.statistics.slow_fractions)
        for index, counts in enumerate(self._counts):
            late = progress.late[index * each : (index + 1) * each]
            requests = progress.by_stream[self._streams[index]] if self._mixed else progress.requests
            _count(counts, requests, late)
        self._backlogged = self._backlogged + 1 if progress.pending > self._backlog else 0
        if self._rule.fails_alpha is not None and self._backlogged >= self._options.backlog_reports:
            self.decided, self.certain = "fails", True
            self.stopped = f"{progress.pending:,} requests were waiting after {progress.now_s:.2g} s"
        elif progress.requests:
            self._test()
        return bool(self.decided)

    def evidence(self, result: LoadResult) -> tuple[Evidence, ...]:
        """What the whole window says about each percentile ceiling, those on first responses last."""
        return tuple(
            self._evidence(index, ceiling, counts, result)
            for index, (ceiling, counts) in enumerate(zip(self._ceilings, self._fresh_counts(), strict=True))
        )

    def _test(self) -> None:
        fails_alpha = (self._rule.fails_alpha or 0.0) / max(1, len(self._ceilings))
        holds_alpha = self._rule.holds_alpha
        shown = 0
        for index, (ceiling, counts) in enumerate(zip(self._ceilings, self._counts, strict=True)):
            verdict = counts.verdict(fails_alpha or self._options.fails_alpha)
            e_value = self._e_value(verdict)
            self._confidence[index] = max(self._confidence[index], confidence(e_value))
            hopeless = (
                self._rule.hopeless and verdict.late > (1 - ceiling.quantile) * self._planned * self._shares[index]
            )
            if fails_alpha and (hopeless or verdict.decision == "fails"):
                self.decided, self.certain = "fails", verdict.decision == "fails"
                self.stopped = f"{verdict.late:,} of {verdict.requests:,} requests violated {ceiling}"
                return
            if holds_alpha is not None:
                shown += e_value >= 1 / holds_alpha
        if shown and shown == len(self._ceilings):
            self.decided = "holds"
            self.stopped = "every ceiling is met"

    def _missing_s(self, counts: LateCounts, blocks: int) -> float:
        """Seconds of further load like this that would prove a ceiling; 0 once it is, infinite where none would."""
        alpha, options = self._rule.holds_alpha, self._options
        if alpha is None or not blocks:
            return math.inf
        for further in (0.0, *np.geomspace(*options.missing_range, options.missing_steps)):
            if counts.e_holds_after((1 + further) * blocks) >= 1 / alpha:
                return float(further) * blocks * BLOCK_S
        return math.inf

    def _fresh_counts(self) -> tuple[LateCounts, ...]:
        earlier = self._rule.earlier or tuple(() for _ in self._ceilings)
        return tuple(
            LateCounts(1 - ceiling.quantile, floor=self._clustering, earlier=each, options=self._options.statistics)
            for ceiling, each in zip(self._ceilings, earlier, strict=True)
        )

    def _evidence(self, index: int, ceiling: Ceiling, counts: LateCounts, result: LoadResult) -> Evidence:
        result = result.of_stream(self._streams[index])
        latency_s = latencies_s(result, ceiling)
        requests, late = blocks(result.scheduled_s, latency_s, self._limits_s(ceiling))
        _count(counts, requests, late)
        verdict = counts.verdict(self._options.fails_alpha)
        filled = self._fresh_counts()[index]
        filling = round(self._options.filling_limits * ceiling.limit_s / BLOCK_S)
        filling = min(filling, int(self._options.filling_part * len(requests)))
        _count(filled, requests[filling:], [each[filling:] for each in late])
        e_value = self._e_value(verdict)
        holds = verdict.late_fraction <= 1 - ceiling.quantile
        design_effect = verdict.design_effect if holds else verdict.design_effect_to_fail
        low_s, high_s = percentile_bounds(
            latency_s, ceiling.quantile, self._options.bounds_confidence, design_effect=design_effect
        )
        return Evidence(
            ceiling=str(ceiling),
            allowed=1 - ceiling.quantile,
            requests=verdict.requests,
            late=verdict.late,
            design_effect=design_effect,
            e_value=e_value,
            # The test holds whenever it is looked at, so the surest look counts.
            confidence=max(self._confidence[index], confidence(e_value)),
            low_s=low_s,
            high_s=high_s,
            effective=verdict.effective,
            missing_s=self._missing_s(counts, verdict.blocks),
            levels=filled.verdict(self._options.fails_alpha).levels,
        )

    def _e_value(self, verdict: Verdict) -> float:
        """The evidence that a ceiling holds; none before enough blocks."""
        return verdict.e_holds if verdict.blocks >= self._options.statistics.min_blocks_to_hold else 1.0

    def _limits_s(self, ceiling: Ceiling) -> tuple[float, ...]:
        """The ceiling's limit, and the lower ones that show how slow requests cluster."""
        return (ceiling.limit_s, *(part * ceiling.limit_s for part in self._options.statistics.slow_fractions))


def latencies_s(result: LoadResult, ceiling: Ceiling) -> NDArray[np.float64]:
    """The latencies in seconds that a ceiling limits, shape (requests,); a request with one response ends with it."""
    first_s = result.first_response_s
    return first_s if ceiling.of_first_response and first_s is not None else result.latency_s


def blocks(
    scheduled_s: NDArray[np.float64], latency_s: NDArray[np.float64], limits_s: Sequence[float]
) -> tuple[list[int], list[list[int]]]:
    """Requests in each `BLOCK_S` of scheduled time, and those over each limit, shape (limits, blocks)."""
    # perf_analyzer's first requests were sent before its window began.
    which = np.maximum(scheduled_s / BLOCK_S, 0).astype(np.int64)
    count = int(which[-1]) + 1 if len(which) else 0
    late = [np.bincount(which[~(latency_s <= limit_s)], minlength=count).tolist() for limit_s in limits_s]
    return np.bincount(which, minlength=count).tolist(), late


def _count(counts: LateCounts, requests: Iterable[int], late: Sequence[Iterable[int]]) -> None:
    """Adds blocks; ``late`` is over each of a ceiling's `Judge._limits_s`, the limit itself first."""
    for block, (over_limit, *slow) in zip(requests, zip(*late, strict=True), strict=True):
        counts.add(block, over_limit, slow)
