"""The HTTP generator: one thread, one epoll, one prebuilt request, keep-alive connections."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING

from autotune.load._outcomes import Outcomes
from autotune.load._progress import ProgressTeller
from autotune.load._schedule import ClosedLoop, check_schedule
from autotune.load.http._connections import Connections
from autotune.load.http._run import HttpRun

if TYPE_CHECKING:
    from autotune.load._result import LoadResult
    from autotune.load._schedule import Schedule
    from autotune.load._target import Target
    from autotune.load._watch import Watch


class HttpGenerator:
    """Offers load over HTTP from the calling thread; see `autotune.load.LoadGenerator`.

    A request never shares a connection with another one in flight: the server would answer them in order, and
    a slow one would hold up the next.
    """

    protocol = "http"

    def __init__(self, target: Target) -> None:
        self._target = target
        self._connections: Connections | None = None

    def run(self, schedule: Schedule, duration_s: float, timeout_s: float, watch: Watch | None = None) -> LoadResult:
        """Offers ``schedule``; see `autotune.load.LoadGenerator.run`."""
        check_schedule(schedule, duration_s)
        if isinstance(schedule, ClosedLoop):
            limit, outcomes = schedule.concurrency, Outcomes()
        else:
            limit, outcomes = self._target.options.max_connections, Outcomes(schedule.arrivals(duration_s))
        connections = self._ready_connections(limit)
        collecting = gc.isenabled()
        gc.disable()
        cpu_s = time.process_time()
        run = HttpRun(self._target, connections, outcomes, duration_s, timeout_s, ProgressTeller(watch, outcomes))
        try:
            if isinstance(schedule, ClosedLoop):
                run.closed_loop(schedule)
            else:
                run.open_loop()
            elapsed_s = run.finish()
        finally:
            if collecting:
                gc.enable()
        cpu_s = max(0.0, time.process_time() - cpu_s - run.idle_s)
        return outcomes.result(
            schedule,
            run.duration_s,
            elapsed_s,
            self._target.batch_size,
            cpu_s,
            stopped=run.stopped,
            started_at=run.started_at,
            send_s=run.send_s,
            receive_s=run.receive_s,
        )

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
