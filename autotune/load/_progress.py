"""Counts the requests of a run block by block and reports them to its watch."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

import numpy as np

from autotune.load._watch import BLOCK_S, Progress

if TYPE_CHECKING:
    from autotune.load._mix import Turns
    from autotune.load._outcomes import Outcomes
    from autotune.load._watch import Watch


class ProgressReporter:
    """Counts final blocks of one run and reports them to a watch; a call takes about 20 us.

    Attributes:
        next_s: When `report` should be called next, in seconds of the run; infinity without a watch.
    """

    def __init__(self, watch: Watch | None, outcomes: Outcomes, turns: Turns | None = None) -> None:
        self._watch = watch
        self._outcomes = outcomes
        self._turns = turns
        self._streams = len(turns.outputs) if turns else 0
        self._wait_s = max((*watch.limits_s, *watch.first_limits_s), default=0.0) if watch else 0.0
        self._blocks = 0
        self._counted = 0
        self.next_s = BLOCK_S if watch else float("inf")

    def report(self, now_s: float, outstanding: int, dispatched: int) -> bool:
        """Reports the blocks that became final; True if the watch ends the run.

        Args:
            now_s: Seconds since the start of the run.
            outstanding: Requests sent and unanswered.
            dispatched: Requests sent so far, by index: later ones that are due are waiting.
        """
        assert self._watch is not None  # noqa: S101 - next_s is infinite without one
        self.next_s = now_s + BLOCK_S
        scheduled = self._outcomes.scheduled
        requests: list[int] = []
        outcomes, watch = self._outcomes, self._watch
        limits = [
            *((outcomes.latency, limit_s) for limit_s in watch.limits_s),
            *((outcomes.first, limit_s) for limit_s in watch.first_limits_s),
        ]
        late: list[list[int]] = [[] for _ in limits]
        by_stream: list[list[int]] = [[] for _ in range(self._streams)]
        while (end_s := (self._blocks + 1) * BLOCK_S) + self._wait_s <= now_s:
            first, last = self._counted, bisect_left(scheduled, end_s, self._counted)
            requests.append(last - first)
            over = [~(np.array(latency_s[first:last]) <= limit_s) for latency_s, limit_s in limits]
            if self._turns is not None:
                stream = self._turns.between(first, last)
                for place, counts in enumerate(by_stream):
                    counts.append(int(np.count_nonzero(stream == place)))
                over = [each & (stream == place) for each, place in zip(over, watch.streams, strict=True)]
            for each, counts in zip(over, late, strict=True):
                counts.append(int(np.count_nonzero(each)))
            self._counted = last
            self._blocks += 1
        waiting = bisect_right(scheduled, now_s, dispatched) - dispatched
        counted = tuple(map(tuple, late)), outstanding + waiting, tuple(map(tuple, by_stream))
        return watch.on_progress(Progress(now_s, tuple(requests), *counted))
