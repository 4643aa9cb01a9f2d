"""The generator of all protocols: one thread, one epoll, prebuilt requests over a transport's connections."""

from __future__ import annotations

import gc
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from autotune.load._outcomes import Outcomes
from autotune.load._progress import ProgressReporter
from autotune.load._run import ClosedRun, OpenRun
from autotune.load._schedule import ClosedLoop, Share, check_schedule
from autotune.load._sequences import Sequences

if TYPE_CHECKING:
    from collections.abc import Callable

    from autotune.load._result import LoadResult
    from autotune.load._schedule import Schedule
    from autotune.load._target import Target
    from autotune.load._transport import Transport
    from autotune.load._watch import Watch


class SocketGenerator:
    """Offers load from the calling thread; see `autotune.load.LoadGenerator`.

    Args:
        target: What to send where.
        connect: Makes the transport, when it is first needed.
    """

    def __init__(self, target: Target, connect: Callable[[Target], Transport]) -> None:
        self.protocol = target.protocol
        self._target = target
        self._connect = connect
        self._transport: Transport | None = None
        self._sequences = Sequences(target.sequences) if target.sequences else None

    def run(self, schedule: Schedule, duration_s: float, timeout_s: float, watch: Watch | None = None) -> LoadResult:
        """Offers ``schedule``; see `autotune.load.LoadGenerator.run`."""
        check_schedule(schedule, duration_s)
        options = self._target.options
        due_s = None if isinstance(schedule, ClosedLoop) else schedule.arrivals(duration_s)
        outcomes = Outcomes(due_s, streaming=options.streaming)
        mix = self._target.mix
        turns = mix.turns(schedule, None if due_s is None else len(due_s)) if mix else None
        transport = self._transport = self._transport or self._connect(self._target)
        if turns is not None:
            transport.take_turns(turns)
        collecting = gc.isenabled()
        gc.disable()
        cpu_s = time.process_time()
        sequences = self._sequences_of(schedule)
        run: ClosedRun | OpenRun
        window = (transport, outcomes, duration_s, timeout_s, ProgressReporter(watch, outcomes, turns), options)
        if isinstance(schedule, ClosedLoop):
            run = ClosedRun(*window, schedule.concurrency, schedule.client_s, sequences)
            run.begin_over(schedule.spread_s)
        else:
            run = OpenRun(*window, options.max_connections, sequences=sequences)
        try:
            elapsed_s = run.run()
        finally:
            if collecting:
                gc.enable()
        result = outcomes.result(
            schedule,
            run.duration_s,
            elapsed_s,
            self._target.batch_size,
            max(0.0, time.process_time() - cpu_s - run.idle_s),
            stopped=run.stopped,
            started_at=run.started_at,
            send_s=transport.send_s,
            receive_s=transport.receive_s,
        )
        if turns is not None:
            result = replace(result, stream=turns.between(0, result.requests))
        return replace(result, endings=sequences.ended) if sequences else result

    def _sequences_of(self, schedule: Schedule) -> Sequences | None:
        """The sequences of a window, which begins without any; None where the model takes none."""
        plan, sequences = self._target.sequences, self._sequences
        if plan is None or sequences is None:
            return None
        sequences.begin_window()
        if isinstance(schedule, ClosedLoop):
            sequences.most = None  # each of its clients has one
        else:
            sequences.most = plan.share(schedule.index, schedule.of) if isinstance(schedule, Share) else plan.most
        return sequences

    def close(self) -> None:
        """Closes the connections; safe to call twice."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None
