"""A gRPC server that answers every call at once: what a load generator can do when the server costs little.

Run it and give its port to a client. One thread, one epoll; it looks at no more of a call than where it ends. Its
answer passes as one of ModelInfer and as one of ModelStreamInfer.
"""

from __future__ import annotations

import select
import socket
import struct
import sys

_HEADER = struct.Struct(">HBBBL")
_DATA, _HEADERS, _SETTINGS, _PING, _WINDOW_UPDATE = 0, 1, 4, 6, 8
_END_STREAM = _ACK = 0x1
_END_HEADERS = 0x4
_WINDOW = (1 << 31) - 1
_WIDEN_BYTES = 1 << 30
# 172 bytes under field number 2, which is text in the one response and a message in the other.
_MESSAGE = b"\x12\xac\x01" + b"\x22\xa9\x01" + b" " * 169


def _field(name: bytes, value: bytes) -> bytes:
    """RFC 7541: a literal field that the table of fields is not to keep."""
    return bytes([0, len(name)]) + name + bytes([len(value)]) + value


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return _HEADER.pack(len(payload) >> 8, len(payload) & 0xFF, kind, flags, stream) + payload


_HEAD = b"\x88" + _field(b"content-type", b"application/grpc")
_TAIL = _field(b"grpc-status", b"0")
_ANSWER = struct.Struct(f">5sL{len(_HEAD)}s5sL{len(_MESSAGE) + 5}s5sL{len(_TAIL)}s")
_ANSWER_PARTS = (
    _frame(_HEADERS, _END_HEADERS, 0, _HEAD)[:5],
    _frame(_DATA, 0, 0, bytes(len(_MESSAGE) + 5))[:5],
    b"\x00" + len(_MESSAGE).to_bytes(4, "big") + _MESSAGE,
    _frame(_HEADERS, _END_HEADERS | _END_STREAM, 0, _TAIL)[:5],
)
_PREFACE_BYTES = 24
_GREETING = (
    _frame(_SETTINGS, 0, 0, struct.pack(">HLHL", 4, _WINDOW, 5, (1 << 24) - 1))
    + _frame(_SETTINGS, _ACK, 0, b"")
    + _frame(_WINDOW_UPDATE, 0, 0, (_WINDOW - 65535).to_bytes(4, "big"))
)


class _Connection:
    """What came over one connection, and what is owed for it."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self._rest = b""
        self._skip = _PREFACE_BYTES
        self._last_of = 0
        self._received = 0
        sock.sendall(_GREETING)

    def take(self, data: bytes) -> None:
        """Answers every call that ends in ``data``."""
        self._received += len(data)
        data = self._rest + data
        position, end, answers = 0, len(data), []
        head, data_head, message, tail_head = _ANSWER_PARTS
        while True:
            skipped = min(self._skip, end - position)
            position += skipped
            self._skip -= skipped
            if not self._skip and self._last_of:
                stream, self._last_of = self._last_of, 0
                answers.append(_ANSWER.pack(head, stream, _HEAD, data_head, stream, message, tail_head, stream, _TAIL))
            if self._skip or end - position < _HEADER.size:
                break
            high, low, kind, flags, stream = _HEADER.unpack_from(data, position)
            length = high << 8 | low
            if kind == _PING and end - position < _HEADER.size + length:
                break
            position += _HEADER.size
            if kind == _PING and not flags & _ACK:
                answers.append(_frame(_PING, _ACK, 0, data[position : position + length]))
            self._skip = length
            self._last_of = stream if kind == _DATA and flags & _END_STREAM else 0
        self._rest = data[position:]
        if self._received >= _WIDEN_BYTES:
            answers.append(_frame(_WINDOW_UPDATE, 0, 0, self._received.to_bytes(4, "big")))
            self._received = 0
        if answers:
            self.socket.sendall(b"".join(answers))


def serve(listener: socket.socket) -> None:
    """Answers forever."""
    epoll = select.epoll()
    epoll.register(listener.fileno(), select.EPOLLIN)
    connections: dict[int, _Connection] = {}
    while True:
        for fd, _ in epoll.poll():
            if fd == listener.fileno():
                sock, _ = listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections[sock.fileno()] = _Connection(sock)
                epoll.register(sock.fileno(), select.EPOLLIN)
                continue
            connection = connections[fd]
            try:
                data = connection.socket.recv(262144)
                if data:
                    connection.take(data)
                    continue
            except OSError:
                pass
            connections.pop(fd).socket.close()


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        serve(listener)
