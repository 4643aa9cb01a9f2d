"""The gRPC generator: one thread, one epoll, prebuilt calls over a few HTTP/2 connections."""

from __future__ import annotations

import gc
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from autotune.load._outcomes import Outcomes
from autotune.load._progress import ProgressTeller
from autotune.load._schedule import ClosedLoop, check_schedule
from autotune.load.grpc._call import calls_of
from autotune.load.grpc._connections import Connections
from autotune.load.grpc._run import GrpcRun

if TYPE_CHECKING:
    from autotune.load._result import LoadResult
    from autotune.load._schedule import Schedule
    from autotune.load._target import Target
    from autotune.load._watch import Watch


class GrpcGenerator:
    """Offers load over gRPC from the calling thread; see `autotune.load.LoadGenerator`.

    Each request is a call of its own, streaming or not. grpcio's clients take 100 to 300 us of CPU a call; this one
    speaks just as much HTTP/2 as such calls need.
    """

    protocol = "grpc"

    def __init__(self, target: Target) -> None:
        self._target = target
        self._calls = calls_of(target)
        self._connections: Connections | None = None

    def run(self, schedule: Schedule, duration_s: float, timeout_s: float, watch: Watch | None = None) -> LoadResult:
        """Offers ``schedule``; see `autotune.load.LoadGenerator.run`."""
        check_schedule(schedule, duration_s)
        if isinstance(schedule, ClosedLoop):
            limit, outcomes = schedule.concurrency, Outcomes()
        else:
            limit, outcomes = self._target.options.max_connections, Outcomes(schedule.arrivals(duration_s))
        connections = self._ready_connections()
        collecting = gc.isenabled()
        gc.disable()
        cpu_s = time.process_time()
        teller = ProgressTeller(watch, outcomes)
        run = GrpcRun(self._calls, connections, limit, outcomes, duration_s, timeout_s, teller)
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
        result = outcomes.result(
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
        if not self._target.options.streaming:
            return result
        first_response_s = run.answers.first_response_s()
        return replace(result, first_response_s=first_response_s, responses=run.answers.responses)

    def close(self) -> None:
        """Closes the connections; safe to call twice."""
        if self._connections is not None:
            self._connections.close()
            self._connections = None

    def _ready_connections(self) -> Connections:
        if self._connections is None:
            target = self._target
            self._connections = Connections(target.host, target.port, streaming=target.options.streaming)
        self._connections.drop_stale()
        return self._connections
