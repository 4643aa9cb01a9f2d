"""What happened between two readings."""

from __future__ import annotations

import math
from dataclasses import dataclass

from autotune.drift._counters import Counters


@dataclass(frozen=True)
class Interval:
    """A model's traffic between two readings of its counters.

    Attributes:
        seconds: Between the readings.
        requests: Requests answered.
        failures: Requests that failed.
        requests_per_s: Requests answered a second.
        inferences_per_s: Batch items a second.
        mean_batch: Batch items of an execution; NaN without one.
        latency_s: Mean time of a request within the server; NaN without a request.
        queue_s: Mean time that a request waited for an instance; NaN without a request.
    """

    seconds: float
    requests: int
    failures: int
    requests_per_s: float
    inferences_per_s: float
    mean_batch: float
    latency_s: float
    queue_s: float

    @classmethod
    def between(cls, before: Counters, after: Counters) -> Interval | None:
        """The difference; None where the server was started in between: its counters begin at 0 again."""
        seconds = after.read_s - before.read_s
        requests, failures = after.requests - before.requests, after.failures - before.failures
        executions, inferences = after.executions - before.executions, after.inferences - before.inferences
        if min(requests, failures, executions, inferences) < 0 or seconds <= 0:
            return None
        return cls(
            seconds,
            round(requests),
            round(failures),
            requests / seconds,
            inferences / seconds,
            inferences / executions if executions else math.nan,
            (after.request_us - before.request_us) / 1e6 / requests if requests else math.nan,
            (after.queue_us - before.queue_us) / 1e6 / requests if requests else math.nan,
        )
