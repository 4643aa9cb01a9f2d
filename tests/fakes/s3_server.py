"""A small S3 server for one test: buckets in memory, objects in one part, any credentials.

Stands for moto's server, which needs an older python-dateutil than the others here; `start` takes moto's if
the variable MOTO_SERVER has its path.
"""

from __future__ import annotations

import io
import os
import re
import socket
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO

_OBJECTS: dict[str, bytes] = {}
_BUCKETS: set[str] = set()


def start() -> tuple[subprocess.Popen[bytes], str]:
    """A server in a process of its own, and its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    moto = os.environ.get("MOTO_SERVER")
    command = [moto, "-H", "127.0.0.1", "-p", port] if moto else [sys.executable, __file__, port]
    output = subprocess.DEVNULL
    return subprocess.Popen(command, stdout=output, stderr=output), f"http://127.0.0.1:{port}"


def _chunks(stream: IO[bytes]) -> bytes:
    """The content of a chunked body, whose end has trailers."""
    content = b""
    while size := int(stream.readline().partition(b";")[0], 16):
        content += stream.read(size)
        stream.readline()
    while stream.readline().strip():
        pass
    return content


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), "Content_Type": "application/xml", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _error(self, code: str) -> None:
        self._answer(404, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = _chunks(self.rfile)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return _chunks(io.BytesIO(body)) if "aws-chunked" in self.headers.get("Content-Encoding", "") else body

    def do_PUT(self) -> None:
        body = self._body()
        bucket, _, key = self.path[1:].partition("/")
        if key and bucket not in _BUCKETS:
            self._error("NoSuchBucket")
            return
        if key:
            _OBJECTS[self.path] = body
        else:
            _BUCKETS.add(bucket)
        self._answer(200, ETag='"tag"')

    def do_GET(self) -> None:
        content = _OBJECTS.get(self.path)
        if content is None:
            self._error("NoSuchKey")
            return
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        part = content[int(asked[1]) : int(asked[2]) + 1] if asked else content
        headers = {"ETag": '"tag"'}
        if self.command == "HEAD":
            headers["Content_Length"] = str(len(content))
        self._answer(206 if asked else 200, part, **headers)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), _Handler).serve_forever()
