"""An HTTP server that does nothing, in every way a server can: the model's name says how it behaves.

Run as a script it prints its port. The line ``count`` on standard input makes it print its counters as JSON,
``reset`` starts them afresh.
"""

import asyncio
import json
import os
import sys
import threading
import time

_BODY = b'{"outputs":[]}'
_OK = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nInference-Header-Content-Length: 14\r\n"
    b"Content-Length: 14\r\n\r\n" + _BODY
)
_CHUNKS = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b'5;x=y\r\n{"out',
    b'\r\n9\r\nputs":[]}\r\n0\r\nA: b\r\n\r\n',
)
_LARGE = 3_000_000
HICCUP_S = 0.2
ZERO = {"requests": 0, "outstanding": 0, "max_outstanding": 0, "connections": 0, "bytes": 0}
COUNTERS = ZERO.copy()


def _error(status: str, message: str) -> bytes:
    body = json.dumps({"error": message}).encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class Connection(asyncio.Protocol):
    def connection_made(self, transport):
        COUNTERS["connections"] += 1
        self.transport = transport
        self.buffer = b""
        self.answered = 0

    def data_received(self, data):
        self.buffer = self.buffer + data if self.buffer else data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].decode()
            length = next(int(line[15:]) for line in head.splitlines() if line.startswith("Content-Length:"))
            if len(self.buffer) < end + 4 + length:
                return
            self.buffer = self.buffer[end + 4 + length :]
            self.counters = counters = COUNTERS
            counters["bytes"] += length
            counters["requests"] += 1
            counters["outstanding"] += 1
            counters["max_outstanding"] = max(counters["max_outstanding"], counters["outstanding"])
            behaviour, _, argument = head.split("/")[3].partition("-")
            self.answer(behaviour, argument)

    def write(self, *pieces, close=False):
        """Writes the pieces 2 ms apart, so that they arrive one by one."""
        if len(pieces) > 1:
            self.transport.write(pieces[0])
            asyncio.get_running_loop().call_later(0.002, lambda: self.write(*pieces[1:], close=close))
            return
        self.counters["outstanding"] -= 1
        self.answered += 1
        self.transport.write(pieces[0])
        if close:
            self.transport.close()

    def answer(self, behaviour, argument):
        getattr(self, f"do_{behaviour}")(argument)

    def do_ok(self, _):
        self.write(_OK)

    def do_delay(self, milliseconds):
        asyncio.get_running_loop().call_later(float(milliseconds) / 1e3, self.write, _OK)

    def do_hiccup(self, _):
        if COUNTERS["requests"] == 100:
            time.sleep(HICCUP_S)
        self.write(_OK)

    def do_refuse(self, _):
        self.write(_error("400 Bad Request", "unexpected shape for input 'x'"))

    def do_sometimes(self, _):
        self.write(_error("503 Service Unavailable", "busy") if COUNTERS["requests"] % 4 == 0 else _OK)

    def do_split(self, _):
        self.write(_OK[:9], _OK[9:60], _OK[60:-16], _OK[-16:-5], _OK[-5:])

    def do_continue(self, _):
        self.write(b"HTTP/1.1 100 Continue\r\n\r\n" + _OK)

    def do_chunked(self, _):
        self.write(*_CHUNKS)

    def do_large(self, _):
        self.write(f"HTTP/1.1 200 OK\r\nContent-Length: {_LARGE}\r\n\r\n".encode() + b"x" * _LARGE)

    def do_untilclose(self, _):
        self.write(b"HTTP/1.1 200 OK\r\n\r\n", _BODY, close=True)

    def do_closing(self, _):
        self.write(_OK.replace(b"\r\n", b"\r\nConnection: close\r\n", 1), close=True)

    def do_closeafter(self, count):
        self.write(_OK, close=self.answered + 1 == int(count))

    def do_half(self, _):
        self.write(_OK[:50], _OK[50:-5], close=True)

    def do_reset(self, _):
        self.counters["outstanding"] -= 1
        self.transport.abort()

    def do_garbage(self, _):
        self.write(b"SSH-2.0-OpenSSH_9.2\r\n")

    def do_badlength(self, _):
        self.write(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n")

    def do_extra(self, _):
        self.write(_OK + b"extra")

    def do_stall(self, _):
        pass

    def do_die(self, count):
        if COUNTERS["requests"] >= int(count):
            os._exit(1)
        self.write(_OK)


def _answer_questions():
    global COUNTERS  # noqa: PLW0603 - requests under way keep counting in the old ones
    for question in sys.stdin:
        if question == "reset\n":
            COUNTERS = ZERO.copy()
        print(json.dumps(COUNTERS), flush=True)  # noqa: T201
    os._exit(0)


async def _serve():
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    threading.Thread(target=_answer_questions, daemon=True).start()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
