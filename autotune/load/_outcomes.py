"""What became of each request of one run, in flat arrays: 24 bytes a request, no objects."""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING

import numpy as np

from autotune.load._types import LoadResult, Schedule

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Outcomes:
    """The record of one run. Times are seconds from its start.

    Attributes:
        scheduled: When each request was to be sent (closed loop: was sent).
        latency: Its latency from then; infinite until it succeeds.
        lateness: How long after its scheduled time it was sent.
        errors: Failures by kind.
        example: The first failure in words.
    """

    __slots__ = ("errors", "example", "latency", "lateness", "scheduled")

    def __init__(self, scheduled: NDArray[np.float64] | None = None) -> None:
        self.scheduled = array("d", b"" if scheduled is None else scheduled.tobytes())
        self.latency = array("d", [math.inf]) * len(self.scheduled)
        self.lateness = array("d", [0.0]) * len(self.scheduled)
        self.errors: dict[str, int] = {}
        self.example = ""

    def add(self, sent_s: float) -> int:
        """The index of a new request, sent now."""
        self.scheduled.append(sent_s)
        self.latency.append(math.inf)
        self.lateness.append(0.0)
        return len(self.scheduled) - 1

    def fail(self, kind: str, detail: str = "") -> None:
        """Counts a failure; the request's latency stays infinite."""
        self.errors[kind] = self.errors.get(kind, 0) + 1
        if not self.example:
            self.example = f"{kind}: {detail}" if detail else kind

    def give_up(self, first: int, now_s: float) -> None:
        """Counts every request from index ``first`` on as never sent."""
        for index in range(first, len(self.scheduled)):
            self.fail("unsent")
            self.lateness[index] = max(0.0, now_s - self.scheduled[index])

    def result(
        self, schedule: Schedule, duration_s: float, elapsed_s: float, batch_size: int, client_cpu_s: float
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
        )


def _shared(values: array[float]) -> NDArray[np.float64]:
    return np.frombuffer(values, np.float64) if values else np.empty(0)
