"""What a run in progress has seen so far, told to whoever may want to end it early.

The generator counts; it does not judge. Requests are counted in blocks of `BLOCK_S` of *scheduled* time, and a
block is told once nothing can change about it any more: when its last request has been answered or has been
waiting for longer than the longest limit.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from autotune.load._outcomes import Outcomes

BLOCK_S = 0.05
"""Seconds of scheduled time in a block; also how often progress is told."""


@dataclass(frozen=True)
class Progress:
    """News of a run since it was last told.

    Attributes:
        now_s: Seconds since the start of the run.
        requests: Requests of each block that became definite, in order of time.
        late: For each limit of the watch, how many of them were late, per block. Failed requests are late.
        pending: Requests that are due and unanswered now, whether sent or waiting to be sent.
    """

    now_s: float
    requests: tuple[int, ...]
    late: tuple[tuple[int, ...], ...]
    pending: int


@dataclass(frozen=True)
class Watch:
    """Someone who follows a run and may end it.

    Attributes:
        limits_s: Latencies beyond which a request counts as late.
        on_progress: Called about every `BLOCK_S`; where it returns True no more requests are sent, and what is
            outstanding is awaited as at the window's end.
    """

    limits_s: tuple[float, ...]
    on_progress: Callable[[Progress], bool]


class ProgressTeller:
    """Counts definite blocks of one run and tells them to a watch; costs some 20 us a call.

    Attributes:
        next_s: When `tell` should be called next, in seconds of the run; infinity without a watch.
    """

    def __init__(self, watch: Watch | None, outcomes: Outcomes) -> None:
        self._watch = watch
        self._outcomes = outcomes
        self._wait_s = max(watch.limits_s, default=0.0) if watch else 0.0
        self._blocks = 0
        self._counted = 0
        self.next_s = BLOCK_S if watch else float("inf")

    def tell(self, now_s: float, outstanding: int, dispatched: int) -> bool:
        """Tells what became definite; True where the watch wants the run to end.

        Args:
            now_s: Seconds since the start of the run.
            outstanding: Requests sent and unanswered.
            dispatched: Requests sent so far, by index: later ones that are due are waiting.
        """
        assert self._watch is not None  # noqa: S101 - next_s is infinite without one
        self.next_s = now_s + BLOCK_S
        scheduled = self._outcomes.scheduled
        requests: list[int] = []
        late: list[list[int]] = [[] for _ in self._watch.limits_s]
        while (end_s := (self._blocks + 1) * BLOCK_S) + self._wait_s <= now_s:
            first, last = self._counted, bisect_left(scheduled, end_s, self._counted)
            requests.append(last - first)
            latency_s = np.array(self._outcomes.latency[first:last])
            for limit_s, counts in zip(self._watch.limits_s, late, strict=True):
                counts.append(int(np.count_nonzero(~(latency_s <= limit_s))))
            self._counted = last
            self._blocks += 1
        waiting = bisect_right(scheduled, now_s, dispatched) - dispatched
        told = Progress(now_s, tuple(requests), tuple(map(tuple, late)), outstanding + waiting)
        return self._watch.on_progress(told)
