"""The progress of a run, reported to a watch that may end it early.

The generator counts; it does not judge. Requests are counted in blocks of `BLOCK_S` of *scheduled* time, and a
block is reported once it is final: when its last request has been answered or has been
waiting for longer than the longest limit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

BLOCK_S = 0.05
"""Seconds of scheduled time in a block; also how often progress is reported."""


@dataclass(frozen=True)
class Progress:
    """The progress of a run since the last report.

    Attributes:
        now_s: Seconds since the start of the run.
        requests: Requests of each block that became final, in order of time.
        late: For each limit of the watch, those of first responses last, how many of them were late, per block. Failed
            requests are late.
        pending: Requests that are due and unanswered now, whether sent or waiting to be sent.
        by_stream: Requests of each block for each of several models; empty where all go to one.
    """

    now_s: float
    requests: tuple[int, ...]
    late: tuple[tuple[int, ...], ...]
    pending: int
    by_stream: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class Watch:
    """Follows a run and may end it.

    Attributes:
        limits_s: Latencies beyond which a request counts as late.
        first_limits_s: Latencies until the first response of a stream beyond which it does.
        on_progress: Called about every `BLOCK_S`; if it returns True no more requests are sent, and outstanding ones
            are awaited as at the window's end.
        streams: The model whose requests each limit is for, by place; empty: all requests.
    """

    limits_s: tuple[float, ...]
    on_progress: Callable[[Progress], bool]
    first_limits_s: tuple[float, ...] = ()
    streams: tuple[int, ...] = ()
