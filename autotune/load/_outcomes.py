"""The outcome of each request of one run, in flat arrays: 24 bytes a request (32 of a stream), no objects."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from typing import TYPE_CHECKING

import numpy as np

from autotune.load._result import LoadResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autotune.load._schedule import Schedule


class Outcomes:
    """The record of one run. Times are seconds from its start.

    Attributes:
        scheduled: When each request was to be sent (closed loop: was sent).
        latency: Its latency from then; infinite until it succeeds.
        lateness: How long after its scheduled time it was sent.
        first: Streaming only: its latency until the first response; infinite before, and where the request failed.
        errors: Failures by kind.
        example: The first failure in words.

    Args:
        scheduled: Send times that are known before; None in closed loop.
        streaming: Whether each request may have several responses.
    """

    __slots__ = (
        "_responses",
        "_streaming",
        "errors",
        "example",
        "first",
        "latency",
        "lateness",
        "scheduled",
    )

    def __init__(self, scheduled: NDArray[np.float64] | None = None, *, streaming: bool = False) -> None:
        self.scheduled = array("d", b"" if scheduled is None else scheduled.tobytes())
        self.latency = array("d", [math.inf]) * len(self.scheduled)
        self.lateness = array("d", [0.0]) * len(self.scheduled)
        self.errors: dict[str, int] = {}
        self.example = ""
        self._streaming = streaming
        self._responses = 0
        self.first = array("d", [math.inf]) * (len(self.scheduled) if streaming else 0)

    def __len__(self) -> int:
        return len(self.scheduled)

    def add(self, sent_s: float) -> None:
        """Appends a request, sent now."""
        self.scheduled.append(sent_s)
        self.latency.append(math.inf)
        self.lateness.append(0.0)
        if self._streaming:
            self.first.append(math.inf)

    def fail(self, kind: str, detail: str = "") -> None:
        """Counts a failure; the request's latency stays infinite."""
        self.errors[kind] = self.errors.get(kind, 0) + 1
        if not self.example:
            self.example = f"{kind}: {detail}" if detail else kind

    def stream(self, index: int, first_s: float, responses: int) -> None:
        """Notes more responses of a streamed request, its first one at ``first_s`` (infinite: it failed)."""
        self._responses += responses
        self.first[index] = first_s - self.scheduled[index]

    def cut(self, now_s: float) -> None:
        """Drops requests that are not due yet: the window ends now."""
        due = bisect_right(self.scheduled, now_s)
        for values in (self.scheduled, self.latency, self.lateness, self.first):
            del values[due:]

    def give_up(self, first: int, now_s: float, *, free_since_s: float) -> None:
        """Counts every request from index ``first`` on as never sent.

        ``free_since_s``: since when the client could have sent them; infinite where the server's silence about
        earlier ones kept it from sending.
        """
        for index in range(first, len(self.scheduled)):
            self.fail("unsent")
            self.lateness[index] = max(0.0, now_s - max(self.scheduled[index], free_since_s))

    def result(
        self,
        schedule: Schedule,
        duration_s: float,
        elapsed_s: float,
        batch_size: int,
        client_cpu_s: float,
        *,
        stopped: bool,
        started_at: float,
        send_s: float,
        receive_s: float,
    ) -> LoadResult:
        """The record as a result; shares the arrays' memory."""
        return LoadResult(
            schedule=schedule,
            duration_s=duration_s,
            elapsed_s=elapsed_s,
            batch_size=batch_size,
            scheduled_s=_shared(self.scheduled),
            latency_s=_shared(self.latency),
            lateness_s=_shared(self.lateness),
            errors=dict(self.errors),
            client_cpu_s=client_cpu_s,
            error_example=self.example,
            stopped=stopped,
            started_at=started_at,
            first_response_s=_shared(self.first) if self._streaming else None,
            responses=self._responses,
            send_s=send_s,
            receive_s=receive_s,
        )


def _shared(values: array[float]) -> NDArray[np.float64]:
    return np.frombuffer(values, np.float64) if values else np.empty(0)
