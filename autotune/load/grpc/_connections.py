"""HTTP/2 connections of one generator, watched by one epoll."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from typing import TYPE_CHECKING

from autotune.load._address import address_of, connecting_socket
from autotune.load._failure_kinds import kind_of
from autotune.load.grpc._session import Session

if TYPE_CHECKING:
    from autotune.load._target import Target
    from autotune.load.grpc._stream import Stream

_RECEIVE_BYTES = 65536
_SKIP_BYTES = 1 << 20
_MOST_PIECES = 1024  # of one sendmsg on Linux


class Connection:
    """A non-blocking connection for many calls at a time.

    Attributes:
        session: Its HTTP/2 state.
        received_at: When the last bytes came, in seconds of `time.perf_counter`.
    """

    __slots__ = ("_epoll", "_full", "_receive", "_send", "_skipped", "fileno", "received_at", "session", "socket")

    def __init__(self, sock: socket.socket, session: Session, epoll: select.epoll, skipped: bytearray) -> None:
        self.socket = sock
        self.session = session
        self.fileno = sock.fileno()
        self.received_at = 0.0
        self._receive = sock.recv
        self._send = sock.send
        self._epoll = epoll
        self._skipped = skipped
        self._full = False
        epoll.register(self.fileno, select.EPOLLIN)

    def receive(self) -> list[Stream]:
        """Takes what arrived; returns the calls that ended with it. Afterwards the session may have a failure."""
        session = self.session
        try:
            if session.data_left > _RECEIVE_BYTES and session.skippable:
                skipped = self.socket.recv_into(self._skipped, min(session.skippable, _SKIP_BYTES))
                if skipped:
                    session.skip(skipped)
                    return []
                data = b""
            else:
                data = self._receive(_RECEIVE_BYTES)
        except BlockingIOError:
            return []
        except OSError as error:
            session.failure = session.failure or kind_of(error)
            return []
        if not data:
            session.end()
            return []
        self.received_at = time.perf_counter()
        return session.feed(data, self.received_at)

    def flush(self) -> None:
        """Writes what the session has to write, as far as the socket takes it. Afterwards the session may have a
        failure.
        """
        pieces = self.session.pieces
        if self._full or not pieces:
            return
        sender = self.session.sender
        try:
            if not sender.bulky:
                data = b"".join(pieces)
                sent = self._send(data)
                if sent == len(data):
                    pieces.clear()
                    return
                pieces[:] = [memoryview(data)[sent:]]
            sender.bulky = True
            while pieces:
                _remove(pieces, self.socket.sendmsg(pieces[:_MOST_PIECES]))
            sender.bulky = False
        except BlockingIOError:
            self._wait_until_writable(True)
        except OSError as error:
            self.session.failure = self.session.failure or kind_of(error)

    def writable(self) -> None:
        """The socket takes more."""
        self._wait_until_writable(False)
        self.flush()

    def _wait_until_writable(self, wanted: bool) -> None:
        if self._full != wanted:
            self._full = wanted
            self._epoll.modify(self.fileno, select.EPOLLIN | (select.EPOLLOUT if wanted else 0))


class Connections:
    """The open connections.

    Attributes:
        epoll: Watches every connection for reading.
        by_fd: All connections by file descriptor.
        open: The same connections, in order of opening.
    """

    def __init__(self, target: Target) -> None:
        self._family, self._address = address_of(target.host, target.port)
        self._options = target.options
        self._skipped = bytearray(_SKIP_BYTES)
        self._in_use: list[Connection] = []
        self.epoll = select.epoll()
        self.by_fd: dict[int, Connection] = {}
        self.open: tuple[Connection, ...] = ()

    def take(self) -> Connection | None:
        """The connection with the fewest calls; None if the server allows no more.

        Raises:
            OSError: The server refuses, or no file descriptor is left.
        """
        if len(self._in_use) < self._options.grpc_connections:
            try:
                return self._open()
            except OSError:
                if not self._in_use:
                    raise
        best = None
        for connection in self._in_use:
            session = connection.session
            if session.has_room and (best is None or len(session.streams) < len(best.session.streams)):
                best = connection
        return best

    def tidy(self, connection: Connection) -> None:
        """Closes a connection that can no longer be used, and begins no more calls on one that is retired."""
        session = connection.session
        if session.retired and connection in self._in_use:
            self._in_use.remove(connection)
        if session.failure is not None or (session.retired and not session.streams):
            self.drop(connection)

    def drop(self, connection: Connection) -> None:
        """Closes one connection."""
        if self.by_fd.pop(connection.fileno, None) is not None:
            self.open = tuple(self.by_fd.values())
            with contextlib.suppress(ValueError):
                self._in_use.remove(connection)
            connection.socket.close()

    def drop_stale(self) -> None:
        """Takes what came over idle connections since the last run, and closes those that ended."""
        for fd, _ in self.epoll.poll(0):
            self.by_fd[fd].receive()
        for connection in self.open:
            if connection.session.streams:
                self.drop(connection)  # of a run that was interrupted: late answers are not for the next one
            else:
                self.tidy(connection)

    def close(self) -> None:
        """Closes all of them."""
        for connection in self.open:
            self.drop(connection)
        self.epoll.close()

    def _open(self) -> Connection:
        sock = connecting_socket(self._family, self._address)
        session = Session(streaming=self._options.streaming)
        connection = Connection(sock, session, self.epoll, self._skipped)
        self.by_fd[connection.fileno] = connection
        self.open = tuple(self.by_fd.values())
        self._in_use.append(connection)
        return connection


def _remove(pieces: list[bytes | memoryview], sent: int) -> None:
    """Removes the first ``sent`` bytes."""
    whole = 0
    for piece in pieces:
        if sent < len(piece):
            break
        sent -= len(piece)
        whole += 1
    del pieces[:whole]
    if sent:
        pieces[0] = memoryview(pieces[0])[sent:]
