"""HTTP/2 as a gRPC server speaks it, written for tests: frames, header blocks, whole answers, and a scripted server."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple

import hpack

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 0x1
END_HEADERS, PADDED, WITH_PRIORITY = 0x4, 0x8, 0x20
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

OK_HEAD = ((":status", "200"), ("content-type", "application/grpc"))
OK_TAIL = (("grpc-status", "0"),)


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def number(self) -> int:
        return int.from_bytes(self.payload[:4], "big")

    @property
    def ends(self) -> bool:
        return bool(self.flags & END_STREAM) and self.kind in (DATA, HEADERS)


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def frames_of(data: bytes) -> list[Frame]:
    found = []
    while data:
        length = int.from_bytes(data[:3], "big")
        found.append(Frame(data[3], data[4], int.from_bytes(data[5:9], "big"), data[9 : 9 + length]))
        assert len(found[-1].payload) == length
        data = data[9 + length :]
    return found


def settings(**values: int) -> bytes:
    names = ["table", "push", "streams", "window", "frame"]
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HL", names.index(k) + 1, v) for k, v in values.items()))


def widen(stream: int, by: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, by.to_bytes(4, "big"))


def greeting(**values: int) -> bytes:
    """Settings, and a connection window that no test uses up."""
    return settings(**values) + widen(0, 1 << 30)


def goaway(last: int, code: int = 0, words: bytes = b"") -> bytes:
    return frame(GOAWAY, 0, 0, last.to_bytes(4, "big") + code.to_bytes(4, "big") + words)


def reset(stream: int, code: int) -> bytes:
    return frame(RST_STREAM, 0, stream, code.to_bytes(4, "big"))


def block(headers: tuple[tuple[str, str], ...]) -> bytes:
    """A header block that uses no table."""
    written = bytearray()
    for name, value in headers:
        for text in ("", name, value):
            encoded = text.encode()
            assert len(encoded) < 127
            written += bytes([len(encoded)]) + encoded
    return bytes(written)


def message(content: bytes = b"") -> bytes:
    return b"\x00" + len(content).to_bytes(4, "big") + content


def head(stream: int, headers: tuple[tuple[str, str], ...] = OK_HEAD) -> bytes:
    return frame(HEADERS, END_HEADERS, stream, block(headers))


def tail(stream: int, headers: tuple[tuple[str, str], ...] = OK_TAIL) -> bytes:
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, block(headers))


def answer(stream: int, content: bytes = b"\x12\x06answer") -> bytes:
    return head(stream) + frame(DATA, 0, stream, message(content)) + tail(stream)


def encoded_answer(stream: int, encoder: hpack.Encoder, status: str = "0", text: str = "") -> bytes:
    """An answer whose headers refer to the table of earlier ones."""
    return (
        frame(HEADERS, END_HEADERS, stream, encoder.encode(OK_HEAD))
        + frame(DATA, 0, stream, message(b"\x12\x06answer"))
        + frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            stream,
            encoder.encode([("grpc-status", status), ("grpc-message", text)]),
        )
    )


class Client:
    """The server's side of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._file = sock.makefile("rb")
        self.send = sock.sendall
        self.close = self._file.close
        if not (preface := self._file.read(len(PREFACE))):
            raise ConnectionResetError
        assert preface == PREFACE

    def frames(self) -> Iterator[Frame]:
        """What the client sends, until it closes the connection."""
        while len(start := self._file.read(9)) == 9:
            payload = self._file.read(int.from_bytes(start[:3], "big"))
            yield Frame(start[3], start[4], int.from_bytes(start[5:], "big"), payload)

    def calls(self) -> Iterator[int]:
        """The streams on which a call is complete."""
        return (found.stream for found in self.frames() if found.ends)


class Served:
    """A scripted server in this process; counts the connections it accepted, and those it closed again."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.connections = 0
        self.closed = 0


@contextmanager
def scripted_server(script: Callable[[Client, int], None]) -> Iterator[Served]:
    """Runs ``script(client, number)`` in a thread for each connection, then closes that."""
    served = Served()
    threads: list[threading.Thread] = []
    sockets: list[socket.socket] = []

    def talk(sock: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError), sock, closing(Client(sock)) as client:
            script(client, number)
        served.closed += 1

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = served.listener.accept()
                served.connections += 1
                sockets.append(sock)
                threads.append(threading.Thread(target=talk, args=(sock, served.connections), daemon=True))
                threads[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield served
    finally:
        with contextlib.suppress(OSError):
            served.listener.shutdown(socket.SHUT_RDWR)
        served.listener.close()
        acceptor.join()
        for sock in sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
