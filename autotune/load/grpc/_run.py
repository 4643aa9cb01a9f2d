"""One window of gRPC load: dispatch on an absolute schedule, responses as they come."""

from __future__ import annotations

import math
import select
import time
from collections import deque
from typing import TYPE_CHECKING

from autotune.load._failure_kinds import kind_of
from autotune.load._pace import Pace
from autotune.load.grpc._answers import Answers

if TYPE_CHECKING:
    from autotune.load._outcomes import Outcomes
    from autotune.load._progress import ProgressTeller
    from autotune.load._schedule import ClosedLoop
    from autotune.load.grpc._call import Call
    from autotune.load.grpc._connections import Connection, Connections
    from autotune.load.grpc._headers import Failure

# Sleeping in epoll ends some 50 us late; the last stretch before a deadline is spent polling.
_SPIN_S = 40e-6
# epoll's own timeout counts milliseconds; select() on the epoll counts microseconds but costs a system call.
_COARSE_WAIT_S = 3e-3
# Calls begun in a row when behind schedule, before responses are looked at again.
_BURST = 16
# In closed loop, how long a slot rests after a call that got no answer: a dead server is not hammered.
_REST_S = 0.01


class GrpcRun:
    """One window of load. Times are seconds from its start.

    Attributes:
        started_at: Its start, in seconds of `time.perf_counter`.
        duration_s: Its length; shorter than asked once a watch ended it.
        stopped: Whether a watch ended it.
        idle_s: Time spent polling with nothing to do, short before a deadline.
        send_s: Time spent in handing requests to the system.
        receive_s: Time spent in taking responses, from the first byte of each to the last.
        answers: How its calls ended.
    """

    def __init__(
        self,
        calls: tuple[Call, ...],
        connections: Connections,
        limit: int,
        outcomes: Outcomes,
        duration_s: float,
        timeout_s: float,
        teller: ProgressTeller,
    ) -> None:
        self.duration_s = duration_s
        self.stopped = False
        self.idle_s = 0.0
        self.send_s = 0.0
        self.receive_s = 0.0
        self.answers = Answers(outcomes)
        self._calls = calls
        self._connections = connections
        self._limit = limit
        self._outcomes = outcomes
        self._timeout_s = timeout_s
        self._deadline_s = duration_s + timeout_s
        self._teller = teller
        self._dispatched = 0
        self._outstanding = 0
        # Since when a call was free for whatever is due; infinite while there is none.
        self._free_since_s = 0.0
        # Closed loop: when slots whose call got no answer may send again; None in open loop.
        self._resting: deque[float] | None = None
        self._free_slots = 0
        self._pace: Pace | None = None
        self.started_at = time.perf_counter()

    def open_loop(self) -> None:
        """Begins every call at its scheduled time, or as soon after as the limits on calls allow."""
        due = self._outcomes.scheduled
        clock, start, teller = time.perf_counter, self.started_at, self._teller
        poll, epoll, handle = self._connections.epoll.poll, self._connections.epoll, self._handle
        count, index = len(due), 0
        idle_since_s = math.inf
        while True:
            now = clock() - start
            if now > idle_since_s:
                self.idle_s += now - idle_since_s
            first = index
            if index < count and due[index] <= now:
                index = self._dispatched = self._dispatch(index, count, now)
                now = clock() - start
            if now >= teller.next_s and not self.stopped and teller.tell(now, self._outstanding, index):
                self._stop(now)
                count = index
            if now >= self._deadline_s or (index == count and not self._outstanding):
                return
            next_s = due[index] if index < count and self._free_since_s < math.inf else self._deadline_s
            wait_s = min(next_s, teller.next_s) - now
            if wait_s > _COARSE_WAIT_S:
                events = poll(wait_s - _COARSE_WAIT_S / 2)
            else:
                if wait_s > _SPIN_S:
                    select.select((epoll,), (), (), wait_s - _SPIN_S)
                events = poll(0)
            idle_since_s = math.inf if events or wait_s > _SPIN_S or index > first else now
            for fd, event in events:
                handle(fd, event)

    def closed_loop(self, schedule: ClosedLoop) -> None:
        """Keeps calls outstanding until the window ends, then waits for the last ones."""
        resting = self._resting = deque()
        self._free_slots = schedule.concurrency
        self._pace = Pace(schedule.client_s, schedule.concurrency) if schedule.client_s else None
        clock, start, handle, teller = time.perf_counter, self.started_at, self._handle, self._teller
        poll = self._connections.epoll.poll
        while True:
            now = clock() - start
            if now >= teller.next_s and not self.stopped and teller.tell(now, self._outstanding, len(self._outcomes)):
                self._stop(now)
            sending = now < self.duration_s
            while resting and resting[0] <= now:
                resting.popleft()
                self._free_slots += 1
            if sending and self._free_slots:
                self._fill_slots()
            if now >= self._deadline_s or not (sending or self._outstanding):
                return
            until_s = resting[0] if resting and sending else self.duration_s if sending else self._deadline_s
            for fd, event in poll(max(0.0, min(until_s, teller.next_s) - now)):
                handle(fd, event)

    def finish(self) -> float:
        """Counts what is unfinished; returns the seconds until the last completion, or the giving up."""
        now, last_s = time.perf_counter() - self.started_at, self.answers.last_s
        unanswered = ("timeout", f"unanswered {now:.3g} s after the start of the window")
        unfinished = self._outstanding
        for connection in list(self._connections.by_fd.values()):
            if connection.session.streams:
                self._break(connection, unanswered)  # the server then sees that nobody waits any more
        if self._resting is None:
            self._outcomes.give_up(self._dispatched, now, free_since_s=self._free_since_s)
        gave_up = unfinished > 0 or (self._resting is None and self._dispatched < len(self._outcomes))
        return now if gave_up else last_s

    def _stop(self, now: float) -> None:
        """Ends the window: sends no more, and waits for what is outstanding."""
        self.stopped = True
        self._teller.next_s = math.inf
        self._outcomes.cut(now)
        self.duration_s = min(self.duration_s, now)  # it may be over, and wait for the last answers
        self._deadline_s = self.duration_s + self._timeout_s

    def _dispatch(self, first: int, count: int, now: float) -> int:
        """Begins what is due from request ``first`` on, and writes it out; returns the first not begun."""
        due, lateness = self._outcomes.scheduled, self._outcomes.lateness
        index, most = first, min(count, first + _BURST)
        stuck = False
        while index < most and due[index] <= now and not stuck:
            if self._begin(index):
                index += 1
            else:
                stuck = True
        self._free_since_s = min(self._free_since_s, now)
        now = time.perf_counter() - self.started_at
        for begun in range(first, index):
            lateness[begun] = now - max(due[begun], self._free_since_s)
        self._write_all()
        if stuck:
            self._free_since_s = math.inf
        return index

    def _begin(self, index: int) -> bool:
        """Begins the call of request ``index``; False where none may begin. A failure is counted, and True."""
        if self._outstanding >= self._limit:
            return False
        try:
            connection = self._connections.take()
        except OSError as error:
            self._fail(kind_of(error))
            return True
        if connection is None:
            return False
        connection.session.start(index, self._calls[index % len(self._calls)])
        self._outstanding += 1
        return True

    def _fill_slots(self) -> None:
        """Begins a call for every free slot, as far as the server lets them begin."""
        now = time.perf_counter() - self.started_at
        while self._free_slots:
            try:
                connection = self._connections.take()
            except OSError as error:
                self._free_slots -= 1
                self._outcomes.add(now)
                self._fail(kind_of(error))
                continue
            if connection is None:
                break
            self._begin_now(connection, now)
        self._write_all()

    def _begin_now(self, connection: Connection, now: float) -> None:
        index = self._outcomes.add(now)
        connection.session.start(index, self._calls[index % len(self._calls)])
        self._outstanding += 1
        self._free_slots -= 1

    def _handle(self, fd: int, event: int) -> None:
        connection = self._connections.by_fd.get(fd)
        if connection is None:
            return
        if event & select.EPOLLOUT:
            connection.writable()
        if event & ~select.EPOLLOUT:
            self._receive(connection)
        if self._free_slots:
            self._refill(connection)
        self._write(connection)
        if connection.session.retired:
            self._connections.tidy(connection)

    def _refill(self, connection: Connection) -> None:
        """Begins calls for free slots where the last ones were answered: one write for all of them."""
        session, now = connection.session, time.perf_counter() - self.started_at
        if now < self.duration_s and session.failure is None:
            while self._free_slots and session.has_room:
                self._begin_now(connection, now)

    def _receive(self, connection: Connection) -> None:
        began = time.perf_counter()
        ended = connection.receive()
        if not ended:
            return
        now = connection.received_at - self.started_at
        for stream in ended:
            if 0 < stream.began_at < began:
                self.receive_s += began - stream.began_at
            self._outstanding -= 1
            if self._pace is not None:
                self._pace.take()
                now = time.perf_counter() - self.started_at
            answered = self.answers.take(stream, self.started_at, now)
            if self._resting is None:
                continue
            if answered:
                self._free_slots += 1
            else:
                self._resting.append(now + _REST_S)
            if self._pace is not None:
                self._refill(connection)
                self._flush(connection)  # whether that failed is seen once all answers were taken
        self.receive_s += time.perf_counter() - began

    def _write_all(self) -> None:
        for connection in list(self._connections.by_fd.values()):
            self._write(connection)

    def _write(self, connection: Connection) -> None:
        """Writes what calls began and what servers asked for, all in one; drops a connection that failed."""
        self._flush(connection)
        if connection.session.failure is not None:
            self._break(connection, connection.session.failure)

    def _flush(self, connection: Connection) -> None:
        if connection.session.pieces:
            began = time.perf_counter()
            connection.flush()
            self.send_s += time.perf_counter() - began

    def _break(self, connection: Connection, failure: Failure) -> None:
        """Drops a connection and counts the calls under way on it."""
        now = time.perf_counter() - self.started_at
        streams = list(connection.session.streams.values())
        self._connections.drop(connection)
        for stream in streams:
            self._outstanding -= 1
            self.answers.break_off(stream, failure, now)
            if self._resting is not None:
                self._resting.append(now + _REST_S)

    def _fail(self, failure: Failure) -> None:
        """Counts a call that could not begin; in closed loop its slot rests before it tries again."""
        self.answers.last_s = time.perf_counter() - self.started_at
        self._outcomes.fail(*failure)
        if self._resting is not None:
            self._resting.append(self.answers.last_s + _REST_S)
