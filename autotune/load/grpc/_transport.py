"""gRPC over a few HTTP/2 connections: begins prebuilt calls, takes the responses as they come."""

from __future__ import annotations

import math
import select
import time
from typing import TYPE_CHECKING

from autotune.load._outputs import MISSING
from autotune.load.grpc._call import PREFIX_BYTES, call_maker, calls_of
from autotune.load.grpc._connections import Connections
from autotune.load.grpc._outputs import missing_outputs

if TYPE_CHECKING:
    from autotune.load._mix import Turns
    from autotune.load._sequences import Step
    from autotune.load._target import Target
    from autotune.load._transport import Failure, Results
    from autotune.load.grpc._connections import Connection
    from autotune.load.grpc._stream import Stream

# Kinds of failure in which the server did answer.
_ANSWERED = ("grpc ", "http ", MISSING)


class GrpcTransport:
    """gRPC for the event loop; see `autotune.load._transport.Transport`.

    Each request is a call of its own, streaming or not. This client implements as much of HTTP/2 as such calls need:
    grpcio takes 100 to 300 us of CPU a call, the library h2 about 130 us (`benchmarks/h2_cost.py`), this one 5 to 10.
    """

    def __init__(self, target: Target) -> None:
        self.send_s = 0.0
        self.receive_s = 0.0
        self._all_calls = self._calls = calls_of(target)
        self._turns: Turns | None = None
        self._call_of = call_maker(target) if target.sequences else None
        self._outputs = target.outputs
        self._good_sizes: list[set[int]] = [set()]  # of each stream's responses, which differ in their outputs
        self._connections = Connections(target)
        self._results: Results
        # After the answers that came over one connection the next calls go there: one write for all of them.
        self._answering: Connection | None = None
        self.epoll = self._connections.epoll

    def prepare(self, results: Results) -> None:
        """Gets ready for a run; see `Transport`."""
        self._connections.drop_stale()
        self._results = results
        self.send_s = self.receive_s = 0.0

    def take_turns(self, turns: Turns) -> None:
        """Sends the calls in this order from now on; see `Transport`."""
        self._turns = turns
        self._calls = tuple(self._all_calls[each] for each in turns.order)
        self._good_sizes = [set() for _ in turns.outputs]

    def begin(self, index: int, step: Step | None = None) -> bool:
        """Begins the call of request ``index``, which `flush` writes; see `Transport`."""
        connection = self._answering
        if connection is None or not connection.session.has_room:
            connection = self._connections.take()
            if connection is None:
                return False
        if step is not None and self._call_of is not None:
            call = self._call_of(step)
        else:
            call = self._calls[index % len(self._calls)]
        connection.session.start(index, call)
        return True

    def flush(self) -> None:
        """Writes what calls began and what servers asked for, one write a connection."""
        self._answering = None
        for connection in self._connections.open:
            if connection.session.pieces:
                began = time.perf_counter()
                connection.flush()
                self.send_s += time.perf_counter() - began
                if connection.session.retired or connection.session.failure is not None:
                    self._tidy(connection)

    def handle(self, fd: int, event: int) -> None:
        """Writes more, or takes responses; see `Transport`."""
        connection = self._connections.by_fd.get(fd)
        if connection is None:
            return
        if event & select.EPOLLOUT:
            connection.writable()
        if event & ~select.EPOLLOUT:
            began, succeed = time.perf_counter(), self._results.succeed
            ended = connection.receive()
            for stream in connection.session.begun:
                if stream.messages is not None:
                    self._results.stream(stream.index, stream.messages.first_at, 0)
            connection.session.begun.clear()
            for stream in ended:
                if 0 < stream.began_at < began:
                    self.receive_s += began - stream.began_at
                if stream.failure is None and stream.messages is None and stream.received in self._good(stream.index):
                    succeed(stream.index, connection.received_at)
                else:
                    self._end(stream, connection.received_at)
            self.receive_s += time.perf_counter() - began
            self._answering = connection
        if connection.session.retired or connection.session.failure is not None:
            self._tidy(connection)

    def abandon(self, failure: Failure) -> None:
        """Closes the connections that have calls outstanding, so that the server may stop working on them."""
        for connection in self._connections.open:
            if connection.session.streams:
                self._break(connection, failure)

    def close(self) -> None:
        """Closes all connections."""
        self._connections.close()

    def _end(self, stream: Stream, at: float) -> None:
        messages, failure = stream.messages, stream.failure
        if failure is None and messages is None:
            failure = self._missing_outputs(stream)
        if messages is not None:
            self._results.stream(stream.index, messages.first_at if failure is None else math.inf, messages.count)
        if failure is None:
            self._results.succeed(stream.index, at)
        else:
            self._results.fail(stream.index, failure, at, answered=failure[0].startswith(_ANSWERED))

    def _good(self, index: int) -> set[int]:
        """Sizes of responses to requests like this one that had all outputs."""
        return self._good_sizes[self._turns.stream_of(index) if self._turns else 0]

    def _missing_outputs(self, stream: Stream) -> Failure | None:
        """Of several responses of one size the first is looked at: without an output it would be smaller."""
        message = stream.beginning[PREFIX_BYTES:]
        outputs = self._turns.outputs_of(stream.index) if self._turns else self._outputs
        missing = missing_outputs(outputs, message, stream.received - PREFIX_BYTES) if outputs else ""
        if missing == "":
            self._good(stream.index).add(stream.received)
        return (MISSING, missing) if missing else None

    def _tidy(self, connection: Connection) -> None:
        """Drops a connection that can no longer be used, and fails the calls that were outstanding on it."""
        session = connection.session
        if session.failure is not None:
            self._break(connection, session.failure)
        elif session.retired:
            self._answering = None
            self._connections.tidy(connection)

    def _break(self, connection: Connection, failure: Failure) -> None:
        """Drops a connection and fails the calls outstanding on it."""
        self._answering = None
        self._connections.drop(connection)
        now = time.perf_counter()
        for stream in connection.session.streams.values():
            stream.failure = failure
            self._end(stream, now)
