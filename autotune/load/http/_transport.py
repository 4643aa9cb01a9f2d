"""HTTP/1.1 over keep-alive connections: sends prebuilt requests, reads the responses as they come."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

from autotune.load._failure_kinds import kind_of
from autotune.load._outputs import KEPT_BYTES, MISSING, missing_in_http
from autotune.load.http._connections import IDLE, Connection, Connections
from autotune.load.http._request import Stamps
from autotune.load.http._response import BadResponse, ResponseReader

if TYPE_CHECKING:
    from autotune.load._mix import Turns
    from autotune.load._sequences import Step
    from autotune.load._target import Target
    from autotune.load._transport import Failure, Results

_RECEIVE_BYTES = 65536
_SKIP_BYTES = 1 << 20


class HttpTransport:
    """HTTP for the event loop; see `autotune.load._transport.Transport`.

    A connection has one outstanding request at a time: the server would answer several in order, and a slow one
    would delay the next.
    """

    def __init__(self, target: Target) -> None:
        self.send_s = 0.0
        self.receive_s = 0.0
        self._target = target
        self._requests = target.requests
        self._turns: Turns | None = None
        self._stamps = Stamps(target.requests, text_ids=target.sequences.text_ids) if target.sequences else None
        self._outputs = target.outputs
        self._connections = Connections(target.host, target.port)
        self._results: Results
        # The head of a good response seen, by the length of the whole: one with both is good too, and not parsed.
        # Payloads sent in turn may have responses of several lengths; streams differ in their outputs.
        self._known_heads: list[dict[int, bytes]] = [{}]
        self._skipped = bytearray(_SKIP_BYTES)
        self._idle = self._connections.idle
        self.epoll = self._connections.epoll

    def prepare(self, results: Results) -> None:
        """Gets ready for a run; see `Transport`."""
        self._connections.drop_stale()
        for heads in self._known_heads:
            heads.clear()
        self._results = results
        self.send_s = self.receive_s = 0.0

    def take_turns(self, turns: Turns) -> None:
        """Sends the requests in this order from now on; see `Transport`."""
        self._turns = turns
        self._requests = tuple(self._target.requests[each] for each in turns.order)
        self._known_heads = [{} for _ in turns.outputs]

    def begin(self, index: int, step: Step | None = None) -> bool:
        """Sends request ``index``; see `Transport`."""
        idle = self._idle
        if step is not None and self._stamps is not None:
            request = self._stamps.request(step)
        else:
            request = self._requests[index % len(self._requests)]
        while True:
            connection = idle.pop() if idle else self._connections.open()
            began = time.perf_counter()
            try:
                sent = connection.send(request)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._connections.drop(connection)
                if connection.used:
                    continue  # the server closed it while it was idle, nothing was sent
                raise
            self.send_s += time.perf_counter() - began
            connection.index = index
            connection.used = True
            if sent < len(request):
                connection.unsent = memoryview(request)[sent:]
                self._connections.watch_writable(connection, True)
            return True

    def flush(self) -> None:
        """Requests are written as they begin."""

    def abandon(self, failure: Failure) -> None:
        """Closes the connections that have requests outstanding; see `Transport`."""
        for connection in self._connections.busy:
            self._break(connection, *failure)

    def close(self) -> None:
        """Closes all connections."""
        self._connections.close()

    def handle(self, fd: int, event: int) -> None:
        """Sends more of a large request, or takes a response; see `Transport`."""
        connection = self._connections.by_fd.get(fd)
        if connection is None:
            return
        if event & select.EPOLLOUT:
            rest = connection.unsent
            if (rest is not None and not self._send_rest(connection, rest)) or not event & ~select.EPOLLOUT:
                return
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
            and connection.index != IDLE
            and (head := self._known(connection.index).get(len(data))) is not None
            and data.startswith(head)
            and connection.unsent is None
        ):
            self._succeed(connection)
        else:
            self._read(connection, data)

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

    def _read(self, connection: Connection, data: bytes) -> None:
        """Takes what arrived where it is not simply the same good response as before."""
        if connection.index == IDLE:
            self._connections.drop(connection)  # closed by the server, or written to without being asked
            return
        if connection.reader is None:
            if not data:
                self._break(connection, "reset", "the server closed the connection without a response")
                return
            connection.reader = ResponseReader(KEPT_BYTES if self._outputs or self._turns else 0)
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
        failure = self._failure_of(reader, connection.index)
        if failure is None:
            if reader.length >= 0 and reusable:
                self._known(connection.index)[len(reader.head) + reader.length] = reader.head
            self._succeed(connection, reusable)
        else:
            index, connection.index = connection.index, IDLE
            if reusable:
                self._idle.append(connection)
            else:
                self._connections.drop(connection)
            self._results.fail(index, failure, time.perf_counter(), answered=True)

    def _known(self, index: int) -> dict[int, bytes]:
        return self._known_heads[self._turns.stream_of(index) if self._turns else 0]

    def _failure_of(self, reader: ResponseReader, index: int) -> Failure | None:
        if not 200 <= reader.status < 300:
            return f"http {reader.status}", reader.error
        outputs = self._turns.outputs_of(index) if self._turns else self._outputs
        missing = missing_in_http(outputs, reader.kept, reader.header_bytes) if outputs else ""
        return (MISSING, missing) if missing else None

    def _succeed(self, connection: Connection, reusable: bool = True) -> None:
        now, index = time.perf_counter(), connection.index
        self.receive_s += now - connection.first_byte_at
        connection.index = IDLE
        if reusable:
            self._idle.append(connection)
        else:
            self._connections.drop(connection)
        self._results.succeed(index, now)

    def _break(self, connection: Connection, kind: str, detail: str) -> None:
        """Drops a connection without a (whole) response and fails its request."""
        index = connection.index
        self._connections.drop(connection)
        if index != IDLE:
            self._results.fail(index, (kind, detail), time.perf_counter(), answered=False)
