"""The HTTP generator: one thread, one epoll, one prebuilt request, keep-alive connections."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING

from autotune.load._http_connections import Connections
from autotune.load._http_run import HttpRun
from autotune.load._outcomes import Outcomes
from autotune.load._schedule import arrival_times, check_schedule
from autotune.load._types import ClosedLoop, LoadResult, Schedule

if TYPE_CHECKING:
    from autotune.load._target import Target


class HttpGenerator:
    """Offers load over HTTP from the calling thread; see `autotune.load.LoadGenerator`.

    A request never shares a connection with another one in flight: the server would answer them in order, and
    a slow one would hold up the next.
    """

    protocol = "http"

    def __init__(self, target: Target) -> None:
        self._target = target
        self._connections: Connections | None = None

    def run(self, schedule: Schedule, duration_s: float, timeout_s: float) -> LoadResult:
        """Offers ``schedule``; see `autotune.load.LoadGenerator.run`."""
        check_schedule(schedule, duration_s)
        closed = isinstance(schedule, ClosedLoop)
        limit = schedule.concurrency if isinstance(schedule, ClosedLoop) else self._target.options.max_connections
        outcomes = Outcomes() if isinstance(schedule, ClosedLoop) else Outcomes(arrival_times(schedule, duration_s))
        connections = self._ready_connections(limit)
        collecting = gc.isenabled()
        gc.disable()
        cpu_s = time.process_time()
        run = HttpRun(self._target, connections, outcomes, duration_s, timeout_s)
        try:
            if closed:
                run.closed_loop(limit)
            else:
                run.open_loop()
            elapsed_s = run.finish()
        finally:
            if collecting:
                gc.enable()
        cpu_s = time.process_time() - cpu_s
        return outcomes.result(schedule, duration_s, elapsed_s, self._target.batch_size, cpu_s)

    def close(self) -> None:
        """Closes the connections; safe to call twice."""
        if self._connections is not None:
            self._connections.close()
            self._connections = None

    def _ready_connections(self, limit: int) -> Connections:
        if self._connections is None:
            self._connections = Connections(self._target.host, self._target.port)
        self._connections.limit = limit
        self._connections.drop_stale()
        return self._connections
