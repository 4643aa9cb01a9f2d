"""What a run in progress has seen so far, told to whoever may want to end it early.

The generator counts; it does not judge. Requests are counted in blocks of `BLOCK_S` of *scheduled* time, and a
block is told once nothing can change about it any more: when its last request has been answered or has been
waiting for longer than the longest limit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
