"""One run of a schedule: the event loop that all protocols share."""

from __future__ import annotations

import heapq
import math
import select
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from autotune.load._failure_kinds import kind_of
from autotune.load._sequence_sender import SequenceSender

if TYPE_CHECKING:
    from autotune.load._outcomes import Outcomes
    from autotune.load._progress import ProgressReporter
    from autotune.load._sequences import Sequences
    from autotune.load._target import LoadOptions
    from autotune.load._transport import Failure, Transport

# epoll's own timeout counts milliseconds; select() on the epoll counts microseconds but costs a system call.
_COARSE_WAIT_S = 3e-3


class Run(ABC):
    """Sends requests when they are due and waits for the answers. Times are seconds from the run's start.

    Args:
        transport: What sends the requests.
        outcomes: The record to fill.
        duration_s: Length of the window in which requests are sent.
        timeout_s: How long to wait for outstanding ones after it.
        reporter: Reports progress.
        options: How to send.
        most: Requests that may be outstanding.
        think_s: Closed loop: seconds from an answer to the client's next request.
        sequences: The sequences that the requests form; None where the model takes none.

    Attributes:
        started_at: The start, in seconds of `time.perf_counter`.
        duration_s: Length of the window; shorter than asked where a watch ended it.
        stopped: Whether a watch ended it.
        idle_s: Time spent polling with nothing to do, shortly before a request was due.
    """

    # Whether the next request is sent when one ends, rather than on schedule.
    closed: ClassVar[bool]

    def __init__(
        self,
        transport: Transport,
        outcomes: Outcomes,
        duration_s: float,
        timeout_s: float,
        reporter: ProgressReporter,
        options: LoadOptions,
        most: int,
        think_s: float = 0.0,
        sequences: Sequences | None = None,
    ) -> None:
        self.duration_s = duration_s
        self.stopped = False
        self.idle_s = 0.0
        self._transport = transport
        self._outcomes = outcomes
        self._timeout_s = timeout_s
        self._deadline_s = duration_s + timeout_s
        self._reporter = reporter
        self._sent = 0
        self._outstanding = 0
        self._last_s = 0.0
        self._options = options
        self._most = most
        # With fewer requests outstanding another one can be sent without waiting for its time.
        self._wanted = most if self.closed else 0
        self._think_s = think_s
        self._sequences = sequences
        self._sender = SequenceSender(transport, sequences) if sequences else None
        self._begin_request = self._sender.begin if self._sender else transport.begin
        # Closed loop: when the clients that think, or wait after a failure, send again: a heap.
        self._resting: list[float] = []
        self.started_at = 0.0

    def run(self) -> float:
        """Offers the load; returns the seconds until the last request ended, or was given up."""
        transport, reporter, send_due = self._transport, self._reporter, self._send_due
        transport.prepare(self)
        clock, epoll = time.perf_counter, transport.epoll
        spin_s, poll, handle, flush = self._options.spin_s, epoll.poll, transport.handle, transport.flush
        idle_since_s, next_s, sender = math.inf, 0.0, self._sender
        start = self.started_at = clock()
        while True:
            now = clock() - start
            if now > idle_since_s:
                self.idle_s += now - idle_since_s
            if sent := now >= next_s and send_due():
                flush()
                now = clock() - start
            if now >= reporter.next_s and not self.stopped and reporter.report(now, self._outstanding, self._sent):
                self._stop(now)
            next_s = self._next_s(now)
            if sender is not None:
                next_s = self._end_sequences(sender, now, next_s)
            if now >= self._deadline_s or (next_s == math.inf and not self._outstanding):
                return self._finish()
            until_s = next_s if next_s < self._deadline_s else self._deadline_s
            if sender is not None and now < (ending_s := self._ending_s()) < until_s:
                until_s = ending_s
            wait_s = (until_s if until_s < reporter.next_s else reporter.next_s) - now
            if wait_s > _COARSE_WAIT_S:
                events = poll(wait_s - _COARSE_WAIT_S / 2)
            else:
                if wait_s > spin_s:
                    select.select((epoll,), (), (), wait_s - spin_s)
                events = poll(0)
            idle_since_s = math.inf if events or sent or wait_s > spin_s else now
            for fd, event in events:
                handle(fd, event)
                if self._outstanding < self._wanted:
                    send_due()
                flush()

    def succeed(self, index: int, at: float) -> None:
        """Counts an answer; see `Results`."""
        if index < 0:  # a request that ended a sequence after the window
            self._outstanding -= 1
            return
        now = self._last_s = at - self.started_at
        outcomes = self._outcomes
        outcomes.latency[index] = now - outcomes.scheduled[index]
        self._outstanding -= 1
        if self._sequences is not None:
            self._sequences.answered(index, at)
        if self._think_s:
            self._rest(now + self._think_s)

    def fail(self, index: int, failure: Failure, at: float, *, answered: bool) -> None:
        """Counts a failure; see `Results`."""
        self._outstanding -= 1
        if index < 0:
            return
        if self._sequences is not None:
            self._sequences.failed(index, at)
        self._count_failure(failure, at - self.started_at, self._think_s if answered else self._options.failure_rest_s)

    def stream(self, index: int, first_at: float, responses: int) -> None:
        """Notes the responses of a stream; see `Results`."""
        if index >= 0:
            self._outcomes.stream(index, first_at - self.started_at, responses)

    def _ending_s(self) -> float:
        """When sequences are ended however many of their requests are outstanding: half way to giving up."""
        return self._deadline_s - self._timeout_s / 2

    def _end_sequences(self, sender: SequenceSender, now: float, next_s: float) -> float:
        """Ends the sequences that the window has no more requests for; returns when to send next."""
        late = now >= self._ending_s()
        if late:
            next_s, self._wanted = math.inf, 0
        if next_s == math.inf:
            self._outstanding += sender.end(outstanding=late)
        return next_s

    @abstractmethod
    def _send_due(self) -> bool:
        """Begins the requests that are due and may be outstanding; whether there were any."""

    @abstractmethod
    def _next_s(self, now: float) -> float:
        """When to send next, without an answer before; infinite where no more requests are to be sent."""

    @abstractmethod
    def _rest(self, until_s: float) -> None:
        """Closed loop: a request ended, and its client sends the next one no sooner than ``until_s``."""

    @abstractmethod
    def _give_up(self, now: float) -> bool:
        """Counts requests that were due and never sent; whether there were any."""

    def _count_failure(self, failure: Failure, now: float, rest_s: float) -> None:
        self._last_s = now
        self._outcomes.fail(*failure)
        self._rest(now + rest_s)

    def _stop(self, now: float) -> None:
        """Ends the window: sends no more, and waits for what is outstanding."""
        self.stopped = True
        self._reporter.next_s = math.inf
        self._outcomes.cut(now)
        self.duration_s = min(self.duration_s, now)  # the window may be over, with answers still outstanding
        self._deadline_s = self.duration_s + self._timeout_s

    def _finish(self) -> float:
        now, last_s, unfinished = time.perf_counter() - self.started_at, self._last_s, self._outstanding
        if unfinished:
            self._transport.abandon(("timeout", f"unanswered {now:.3g} s after the start of the window"))
        gave_up = self._give_up(now)
        return now if unfinished or gave_up else last_s


class OpenRun(Run):
    """Sends every request at its scheduled time, or as soon after as it may: until then its latency runs."""

    closed = False
    # Since when whatever is due could be sent; infinite while it has to wait for an answer.
    _free_since_s = 0.0

    def _send_due(self) -> bool:
        due, lateness = self._outcomes.scheduled, self._outcomes.lateness
        first = index = self._sent
        last = min(len(due), first + self._options.burst)
        self._wanted = 0
        while index < last and due[index] <= (now := time.perf_counter() - self.started_at):
            if not self._begin(index, now):
                self._free_since_s, self._wanted = math.inf, self._most
                break
            self._free_since_s = min(self._free_since_s, now)
            lateness[index] = now - max(due[index], self._free_since_s)
            index += 1
        self._sent = index
        return index > first

    def _begin(self, index: int, now: float) -> bool:
        """Begins a request; False where it has to wait. A failure is counted, and True."""
        if self._outstanding >= self._most:
            return False
        try:
            if not self._begin_request(index):
                return False
        except OSError as error:
            failure = kind_of(error)
            if failure[0] == "unsent" and self._outstanding:
                return False  # no file descriptor is left: wait for a connection
            self._count_failure(failure, now, self._options.failure_rest_s)
            return True
        self._outstanding += 1
        return True

    def _next_s(self, now: float) -> float:
        due = self._outcomes.scheduled
        if self._sent >= len(due):
            return math.inf
        return due[self._sent] if self._free_since_s < math.inf else self._deadline_s

    def _rest(self, until_s: float) -> None:
        pass  # requests are sent on schedule

    def _give_up(self, now: float) -> bool:
        self._outcomes.give_up(self._sent, now, free_since_s=self._free_since_s)
        return self._sent < len(self._outcomes)


class ClosedRun(Run):
    """A number of clients: each sends a request, waits for its answer, thinks, and sends the next one."""

    closed = True

    def begin_over(self, spread_s: float) -> None:
        """Lets the clients begin one after the other over these seconds, rather than all at once."""
        if spread_s:
            self._resting = [spread_s * client / self._most for client in range(self._most)]

    def _send_due(self) -> bool:
        if self._resting:
            self._wake()
        first = self._sent
        for _ in range(self._most - self._outstanding - len(self._resting)):
            now = time.perf_counter() - self.started_at
            if now >= self.duration_s:
                break
            try:
                if not self._begin_request(self._sent):
                    break
                self._outstanding += 1
            except OSError as error:
                self._count_failure(kind_of(error), now, self._options.failure_rest_s)
            self._outcomes.add(now)
            self._sent += 1
        return self._sent > first

    def _next_s(self, now: float) -> float:
        if now >= self.duration_s:
            return math.inf
        return min(self._resting[0], self.duration_s) if self._resting else self.duration_s

    def _wake(self) -> None:
        now = time.perf_counter() - self.started_at
        while self._resting and self._resting[0] <= now:
            heapq.heappop(self._resting)

    def _rest(self, until_s: float) -> None:
        heapq.heappush(self._resting, until_s)

    def _give_up(self, now: float) -> bool:
        return False
