"""Keep-alive HTTP connections of one generator, watched by one epoll."""

from __future__ import annotations

import contextlib
import select
import socket
from typing import TYPE_CHECKING

from autotune.load._address import address_of, connecting_socket

if TYPE_CHECKING:
    from autotune.load.http._response import ResponseReader

IDLE = -1


class Connection:
    """A non-blocking connection with at most one outstanding request.

    Attributes:
        index: Its outstanding request; `IDLE` when none.
        reader: The response where it did not arrive in one piece.
        unsent: What the socket did not take yet of the request.
        used: Whether it has sent a request before.
        first_byte_at: When its response began to arrive, in seconds of `time.perf_counter`.
    """

    __slots__ = ("fileno", "first_byte_at", "index", "reader", "receive", "send", "socket", "unsent", "used")

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.fileno = sock.fileno()
        self.send = sock.send
        self.receive = sock.recv
        self.index = IDLE
        self.reader: ResponseReader | None = None
        self.unsent: memoryview | None = None
        self.used = False
        self.first_byte_at = 0.0


class Connections:
    """The open connections, the idle ones among them last used first.

    Attributes:
        epoll: Watches every connection for reading.
        idle: Connections that can take a request.
        by_fd: All connections by file descriptor.
    """

    def __init__(self, host: str, port: int) -> None:
        self._family, self._address = address_of(host, port)
        self.epoll = select.epoll()
        self.idle: list[Connection] = []
        self.by_fd: dict[int, Connection] = {}

    @property
    def busy(self) -> list[Connection]:
        """Connections with an outstanding request."""
        return [connection for connection in self.by_fd.values() if connection.index != IDLE]

    def open(self) -> Connection:
        """A new connection.

        Raises:
            OSError: The server refuses, or no file descriptor is left.
        """
        connection = Connection(connecting_socket(self._family, self._address))
        self.by_fd[connection.fileno] = connection
        self.epoll.register(connection.fileno, select.EPOLLIN)
        return connection

    def watch_writable(self, connection: Connection, wanted: bool) -> None:
        """Starts or stops waking up when the socket takes more of the request."""
        self.epoll.modify(connection.fileno, select.EPOLLIN | (select.EPOLLOUT if wanted else 0))

    def drop(self, connection: Connection) -> None:
        """Closes one connection."""
        if self.by_fd.pop(connection.fileno, None) is None:
            return
        with contextlib.suppress(ValueError):
            self.idle.remove(connection)
        connection.index = IDLE
        connection.socket.close()

    def drop_stale(self) -> None:
        """Closes connections that the server closed or wrote to since the last run, or that still have a request."""
        stale = {fd for fd, _ in self.epoll.poll(0)}
        for connection in list(self.by_fd.values()):
            if connection.fileno in stale or connection.index != IDLE:
                self.drop(connection)

    def close(self) -> None:
        """Closes all of them."""
        for connection in list(self.by_fd.values()):
            self.drop(connection)
        self.epoll.close()
