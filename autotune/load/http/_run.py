"""One window of HTTP load: dispatch on an absolute schedule, responses as they come."""

from __future__ import annotations

import math
import select
import time
from collections import deque
from typing import TYPE_CHECKING

from autotune.load._failure_kinds import kind_of
from autotune.load._pace import Pace
from autotune.load.http._connections import IDLE, Connection, Connections
from autotune.load.http._response import BadResponse, ResponseReader

if TYPE_CHECKING:
    from array import array

    from autotune.load._outcomes import Outcomes
    from autotune.load._progress import ProgressTeller
    from autotune.load._schedule import ClosedLoop
    from autotune.load._target import Target

_RECEIVE_BYTES = 65536
_SKIP_BYTES = 1 << 20
# Sleeping in epoll ends some 50 us late; the last stretch before a deadline is spent polling.
_SPIN_S = 40e-6
# epoll's own timeout counts milliseconds; select() on the epoll counts microseconds but costs a system call.
_COARSE_WAIT_S = 3e-3
# Requests sent in a row when behind schedule, before responses are looked at again.
_BURST = 16
# In closed loop, how long a slot rests after a connection failed: a dead server is not hammered.
_REST_S = 0.01


class HttpRun:
    """One window of load. Times are seconds from its start.

    Attributes:
        started_at: Its start, in seconds of `time.perf_counter`.
        duration_s: Its length; shorter than asked once a watch ended it.
        stopped: Whether a watch ended it.
        idle_s: Time spent polling with nothing to do, short before a deadline.
        send_s: Time spent in handing requests to the system.
        receive_s: Time spent in taking responses, from the first byte of each to the last.
    """

    def __init__(
        self,
        target: Target,
        connections: Connections,
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
        self._requests = target.requests
        self._connections = connections
        self._outcomes = outcomes
        self._timeout_s = timeout_s
        self._deadline_s = duration_s + timeout_s
        self._teller = teller
        self._dispatched = 0
        self._outstanding = 0
        self._last_s = 0.0
        # Since when there was a connection for whatever is due; infinite while there is none.
        self._free_since_s = 0.0
        # Length to head of good responses seen: one that has both is as good. Payloads of a mix differ in length.
        self._known_heads: dict[int, bytes] = {}
        # Closed loop: when slots whose connection failed may send again; None in open loop.
        self._resting: deque[float] | None = None
        self._free_slots = 0
        self._pace: Pace | None = None
        self._skipped = bytearray(_SKIP_BYTES)
        self.started_at = time.perf_counter()

    def open_loop(self) -> None:
        """Sends every request at its scheduled time, or as soon after as there is a connection for it."""
        due: array[float] = self._outcomes.scheduled
        lateness = self._outcomes.lateness
        clock, start, teller = time.perf_counter, self.started_at, self._teller
        poll, epoll, handle = self._connections.epoll.poll, self._connections.epoll, self._handle
        count, index = len(due), 0
        idle_since_s = math.inf
        while True:
            now = clock() - start
            if now > idle_since_s:
                self.idle_s += now - idle_since_s
            burst = _BURST
            stuck = False
            while index < count and due[index] <= now and burst:
                if not self._send(index):
                    stuck = True
                    self._free_since_s = math.inf
                    break
                self._free_since_s = min(self._free_since_s, now)
                lateness[index] = now - max(due[index], self._free_since_s)
                index += 1
                burst -= 1
                now = clock() - start
            self._dispatched = index
            if now >= teller.next_s and not self.stopped and teller.tell(now, self._outstanding, index):
                self._stop(now)
                count = index
            if now >= self._deadline_s or (index == count and not self._outstanding):
                return
            wait_s = min(due[index] if index < count and not stuck else self._deadline_s, teller.next_s) - now
            if wait_s > _COARSE_WAIT_S:
                events = poll(wait_s - _COARSE_WAIT_S / 2)
            else:
                if wait_s > _SPIN_S:
                    select.select((epoll,), (), (), wait_s - _SPIN_S)
                events = poll(0)
            idle_since_s = math.inf if events or wait_s > _SPIN_S or burst < _BURST else now
            for fd, event in events:
                handle(fd, event)

    def closed_loop(self, schedule: ClosedLoop) -> None:
        """Keeps requests outstanding until the window ends, then waits for the last ones."""
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
            while sending and self._free_slots:
                self._free_slots -= 1
                self._send_now()
            if now >= self._deadline_s or not (sending or self._outstanding):
                return
            until_s = resting[0] if resting and sending else self.duration_s if sending else self._deadline_s
            for fd, event in poll(max(0.0, min(until_s, teller.next_s) - now)):
                handle(fd, event)

    def finish(self) -> float:
        """Counts what is unfinished; returns the seconds until the last completion, or the giving up."""
        now = time.perf_counter() - self.started_at
        unfinished = self._connections.busy
        for connection in unfinished:
            self._outcomes.fail("timeout", f"unanswered {now:.3g} s after the start of the window")
            self._connections.drop(connection)
        if self._resting is None:
            self._outcomes.give_up(self._dispatched, now, free_since_s=self._free_since_s)
        gave_up = bool(unfinished) or (self._resting is None and self._dispatched < len(self._outcomes))
        return now if gave_up else self._last_s

    def _stop(self, now: float) -> None:
        """Ends the window: sends no more, and waits for what is outstanding."""
        self.stopped = True
        self._teller.next_s = math.inf
        self._outcomes.cut(now)
        self.duration_s = min(self.duration_s, now)  # it may be over, and wait for the last answers
        self._deadline_s = self.duration_s + self._timeout_s

    def _send_now(self) -> None:
        if not self._send(self._outcomes.add(time.perf_counter() - self.started_at)):
            self._fail_connection("unsent", "no file descriptor is left for another connection")

    def _send(self, index: int) -> bool:
        """Sends request ``index``; False where no connection is to be had. A failure is counted, and True."""
        request = self._requests[index % len(self._requests)]
        while True:
            try:
                connection = self._connections.take()
            except OSError as error:
                self._fail_connection(*kind_of(error))
                return True
            if connection is None:
                return False
            began = time.perf_counter()
            try:
                sent = connection.send(request)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                used = connection.used
                self._connections.drop(connection)
                if used:
                    continue  # the server closed it while it was idle, nothing was sent
                self._fail_connection(*kind_of(error))
                return True
            self.send_s += time.perf_counter() - began
            connection.index = index
            connection.used = True
            self._outstanding += 1
            if sent < len(request):
                connection.unsent = memoryview(request)[sent:]
                self._connections.watch_writable(connection, True)
            return True

    def _handle(self, fd: int, event: int) -> None:
        connection = self._connections.by_fd.get(fd)
        if connection is None:
            return
        if event & select.EPOLLOUT:
            rest = connection.unsent
            if rest is not None and not self._send_rest(connection, rest):
                return
        if event & ~select.EPOLLOUT:
            self._receive(connection)

    def _send_rest(self, connection: Connection, rest: memoryview) -> bool:
        """Sends more of a large request; False where the connection broke."""
        try:
            rest = rest[connection.send(rest) :]
        except BlockingIOError:
            return True
        except OSError as error:
            self._break(connection, *kind_of(error))
            return False
        connection.unsent = rest or None
        if not rest:
            self._connections.watch_writable(connection, False)
        return True

    def _receive(self, connection: Connection) -> None:
        reader = connection.reader
        if reader is None:
            connection.first_byte_at = time.perf_counter()
        try:
            if reader is not None and reader.skippable > _RECEIVE_BYTES:
                skipped = connection.socket.recv_into(self._skipped, min(reader.skippable, _SKIP_BYTES))
                if skipped:
                    reader.skip(skipped)
                    if reader.complete:
                        self._complete(connection, reader)
                    return
                data = b""
            else:
                data = connection.receive(_RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._break(connection, *kind_of(error))
            return
        if (
            reader is None
            and (head := self._known_heads.get(len(data))) is not None
            and data.startswith(head)
            and connection.index != IDLE
            and connection.unsent is None
        ):
            self._succeed(connection)
        else:
            self._read(connection, data)

    def _read(self, connection: Connection, data: bytes) -> None:
        """Takes what arrived where it is not simply the same good response as before."""
        if connection.index == IDLE:
            self._connections.drop(connection)  # closed by the server, or written to without being asked
            return
        if connection.reader is None:
            if not data:
                self._break(connection, "reset", "the server closed the connection without a response")
                return
            connection.reader = ResponseReader()
        try:
            if data:
                connection.reader.feed(data)
            else:
                connection.reader.end()
        except BadResponse as error:
            self._break(connection, "bad response" if data else "reset", str(error))
            return
        if connection.reader.complete:
            self._complete(connection, connection.reader)

    def _complete(self, connection: Connection, reader: ResponseReader) -> None:
        connection.reader = None
        reusable = reader.keep_alive and connection.unsent is None
        if not 200 <= reader.status < 300:
            if self._pace is not None:
                self._pace.take()
            self._outcomes.fail(f"http {reader.status}", reader.body)
            self._outstanding -= 1
            self._last_s = time.perf_counter() - self.started_at
            connection.index = IDLE
            self._release(connection, reusable)
            return
        if reader.length >= 0 and reusable:
            self._known_heads[len(reader.head) + reader.length] = reader.head
        self._succeed(connection, reusable)

    def _succeed(self, connection: Connection, reusable: bool = True) -> None:
        if self._pace is not None:
            self._pace.take()
        clock = time.perf_counter()
        self.receive_s += clock - connection.first_byte_at
        now = self._last_s = clock - self.started_at
        outcomes, index = self._outcomes, connection.index
        outcomes.latency[index] = now - outcomes.scheduled[index]
        self._outstanding -= 1
        connection.index = IDLE
        self._release(connection, reusable)

    def _release(self, connection: Connection, reusable: bool) -> None:
        """Frees a connection after its response; in closed loop its slot sends again at once."""
        if reusable:
            self._connections.idle.append(connection)
        else:
            self._connections.drop(connection)
        if self._resting is not None:
            if self._last_s < self.duration_s:
                self._send_now()
            else:
                self._free_slots += 1

    def _break(self, connection: Connection, kind: str, detail: str) -> None:
        """Drops a connection without a (whole) response and counts its request."""
        carried = connection.index != IDLE
        self._connections.drop(connection)
        if carried:
            self._outstanding -= 1
            self._fail_connection(kind, detail)

    def _fail_connection(self, kind: str, detail: str) -> None:
        """Counts a request that got no response; in closed loop its slot rests before it tries again."""
        self._last_s = time.perf_counter() - self.started_at
        self._outcomes.fail(kind, detail)
        if self._resting is not None:
            self._resting.append(self._last_s + _REST_S)
