"""An HTTP server that answers every request at once: what a load generator can do when the server costs little.

Run it and give its port to a client. One thread, one epoll; it looks at no more of a request than its length.
"""

from __future__ import annotations

import select
import socket
import sys

_RESPONSE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nInference-Header-Content-Length: 132\r\n"
    b"Content-Length: 172\r\n\r\n" + b" " * 172
)


def serve(listener: socket.socket) -> None:
    """Answers forever."""
    epoll = select.epoll()
    epoll.register(listener.fileno(), select.EPOLLIN)
    sockets: dict[int, socket.socket] = {}
    expected: dict[int, int] = {}
    pending: dict[int, int] = {}
    while True:
        for fd, _ in epoll.poll():
            if fd == listener.fileno():
                connection, _ = listener.accept()
                connection.setblocking(False)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sockets[connection.fileno()] = connection
                pending[connection.fileno()] = 0
                epoll.register(connection.fileno(), select.EPOLLIN)
                continue
            try:
                data = sockets[fd].recv(262144)
            except OSError:
                data = b""
            if not data:
                sockets.pop(fd).close()
                expected.pop(fd, None)
                continue
            if fd not in expected:
                head, _, _ = data.partition(b"\r\n\r\n")
                length = head.lower().split(b"content-length:")[-1].split(b"\r\n")[0]
                expected[fd] = len(head) + 4 + int(length)
            pending[fd] += len(data)
            if pending[fd] >= expected[fd]:
                pending[fd] -= expected[fd]
                sockets[fd].send(_RESPONSE)


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        serve(listener)
