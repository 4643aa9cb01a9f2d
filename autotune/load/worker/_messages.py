"""Messages between a load generator's process and its parent.

To the child: its `Target` once, then `Job`s; `STOP` during one; `READY`, which it sends back; None to end. From the
child: `Progress` while a job runs, then a result's fields with its number of requests and the names of the arrays
that follow as raw bytes, or a text that says why it failed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from autotune.load._schedule import Schedule
    from autotune.load._watch import Watch

STOP, READY = "stop", "ready"
ARRAYS = {
    "scheduled_s": np.float64,
    "latency_s": np.float64,
    "lateness_s": np.float64,
    "first_response_s": np.float64,
    "stream": np.int64,
}
"""Fields of a result that are arrays with one value per request, and the type of a value."""


@dataclass(frozen=True)
class Job:
    """One window of load.

    Attributes:
        schedule, duration_s, timeout_s: See `autotune.load.LoadGenerator.run`.
        limits_s: The limits of the watch; None without one.
        first_limits_s, streams: See `Watch`.
        start_at: When to begin, in seconds of CLOCK_MONOTONIC, which all processes of a machine share.
    """

    schedule: Schedule
    duration_s: float
    timeout_s: float
    limits_s: tuple[float, ...] | None = None
    start_at: float = 0.0
    first_limits_s: tuple[float, ...] = ()
    streams: tuple[int, ...] = ()

    @classmethod
    def watched(
        cls, schedule: Schedule, duration_s: float, timeout_s: float, watch: Watch | None, start_at: float = 0.0
    ) -> Job:
        """A window with the limits of a watch, which itself stays with the parent."""
        if watch is None:
            return cls(schedule, duration_s, timeout_s, start_at=start_at)
        return cls(schedule, duration_s, timeout_s, watch.limits_s, start_at, watch.first_limits_s, watch.streams)
