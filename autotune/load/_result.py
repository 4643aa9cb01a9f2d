"""What a load generator returns."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from autotune.load._schedule import ClosedLoop

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from autotune.load._schedule import Schedule


@dataclass(frozen=True)
class LoadResult:
    """The result of one run of a load generator. Requests are in schedule order.

    Latency runs from the *scheduled* send time in open loop (no coordinated omission) and from the
    actual send in closed loop, to the last byte of the response. Requests unfinished at the deadline and
    failed ones have an infinite latency. Lateness is the client's own: time that a request waited for one of
    the allowed connections, because the server had not answered earlier ones, is not in it.

    Attributes:
        schedule: What was asked for.
        duration_s: The length of the window in which requests were scheduled; shorter than asked where a watch
            ended it.
        elapsed_s: Wall time until the last completion or the deadline.
        batch_size: Inferences per request.
        scheduled_s: Scheduled send time of each request from the start (closed loop: actual), shape (n,).
        latency_s: Latency of each request, ``inf`` for failed or unfinished, shape (n,).
        lateness_s: Actual minus scheduled send time, as far as the client caused it (0 in closed loop), shape (n,).
        errors: Failed or unfinished requests by kind: ``timeout``, ``reset``, ``http 503``, ``unsent``, ...
        client_cpu_s: CPU seconds (user + system) the generator spent on requests in the window; polling while it
            had nothing to do is left out.
        error_example: The first failure in words, with the body of a refused request; empty without one.
        stopped: Whether a watch ended the window early.
        started_at: When the window began, in seconds of CLOCK_MONOTONIC (`time.perf_counter`).
        first_response_s: Streaming only: latency until each request's first response, shape (n,); else None.
        responses: Streaming only: responses received in all.
        processes: Client processes that shared the load.
        send_s: Seconds spent in handing requests to the system, all together.
        receive_s: Seconds spent in taking the responses, all together, from the first byte of each to the last.
        mid_flow: Whether the window began with requests outstanding; those answered in it count.
        endings: Requests that ended sequences after the window; they are in no other field.
        stream: Which model each request went to, shape (n,), by place; None where all went to one.
        real_time: Whether the client had real-time priority: no other process of the machine keeps it waiting then.
    """

    schedule: Schedule
    duration_s: float
    elapsed_s: float
    batch_size: int
    scheduled_s: NDArray[np.float64]
    latency_s: NDArray[np.float64]
    lateness_s: NDArray[np.float64]
    errors: Mapping[str, int] = field(default_factory=dict)
    client_cpu_s: float = 0.0
    error_example: str = ""
    stopped: bool = False
    started_at: float = 0.0
    first_response_s: NDArray[np.float64] | None = None
    responses: int = 0
    processes: int = 1
    send_s: float = 0.0
    receive_s: float = 0.0
    mid_flow: bool = False
    endings: int = 0
    real_time: bool = False
    stream: NDArray[np.int64] | None = None

    def of_stream(self, place: int) -> LoadResult:
        """The requests to one of several models. The client's times, and its failures by kind, stay those of all."""
        if self.stream is None:
            return self
        own = self.stream == place
        return replace(
            self,
            scheduled_s=self.scheduled_s[own],
            latency_s=self.latency_s[own],
            lateness_s=self.lateness_s[own],
            stream=None,
            mid_flow=True,  # of a closed loop of all models, a turn of one means nothing
        )

    @property
    def requests(self) -> int:
        """Requests scheduled in the window."""
        return len(self.latency_s)

    @property
    def completed(self) -> int:
        """Requests answered successfully."""
        return int(np.count_nonzero(np.isfinite(self.latency_s)))

    @property
    def failed(self) -> int:
        """Requests that failed or were unfinished at the deadline."""
        return self.requests - self.completed

    @property
    def offered_per_s(self) -> float:
        """Inferences/s scheduled."""
        return self.requests * self.batch_size / self.duration_s

    @property
    def completed_in_window(self) -> int:
        """Requests answered successfully inside the window (``duration_s``)."""
        return int(np.count_nonzero(self.scheduled_s + self.latency_s <= self.duration_s))

    @property
    def achieved_per_s(self) -> float:
        """Inferences/s completed inside the window; those of a closed loop from its first turn on.

        A closed loop begins with an idle server: no answer comes before the first latency has passed. So its rate
        counts from when as many requests were answered as are outstanding at a time. Batches bring many answers at
        once, and one more batch in the window would change the count by a whole turn. So a request counts by the part
        of its latency that lies in the window.

        If less than half of the window is left then, or it began in mid-flow, the answers inside it are counted.
        """
        begun_s = self._first_turn_s()
        if begun_s is None:
            return self.completed_in_window * self.batch_size / self.duration_s
        answered_s = np.minimum(self.scheduled_s + self.latency_s, self.duration_s)
        inside_s = np.maximum(0.0, answered_s - np.maximum(self.scheduled_s, begun_s))
        return float((inside_s / self.latency_s).sum()) * self.batch_size / (self.duration_s - begun_s)

    def _first_turn_s(self) -> float | None:
        """When a closed loop had one answer for each outstanding request, in seconds; None if its rate does not count
        from there.
        """
        if not isinstance(self.schedule, ClosedLoop) or not self.requests or self.mid_flow:
            return None
        turn = min(self.schedule.concurrency, self.requests)
        begun_s = float(np.partition(self.scheduled_s + self.latency_s, turn - 1)[turn - 1])
        return begun_s if begun_s <= self.duration_s / 2 else None

    def percentile_s(self, quantile: float) -> float:
        """The ``quantile`` of all latencies, failed requests counting as infinite.

        The smallest observed value v with at least ``quantile * n`` requests at or under v (nearest rank);
        NaN without requests.
        """
        return percentile_s(self.latency_s, quantile)

    @property
    def mean_s(self) -> float:
        """Mean latency of all requests: infinite where any failed."""
        return float(self.latency_s.mean()) if self.requests else float("nan")


def percentile_s(latency_s: NDArray[np.float64], quantile: float) -> float:
    """The smallest latency with at least ``quantile`` of all at or under it (nearest rank); NaN without any."""
    requests = len(latency_s)
    if not requests:
        return float("nan")
    rank = min(requests - 1, max(0, int(np.ceil(round(quantile * requests, 6))) - 1))
    return float(np.partition(latency_s, rank)[rank])
