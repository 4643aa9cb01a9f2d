"""An HTTP/1.1 response, read as it arrives: in one piece, in many, chunked, or broken."""

from __future__ import annotations

import json
import re

_MAX_HEAD_BYTES = 65536
_MAX_LINE_BYTES = 8192
_KEPT_ERROR_BYTES = 2048
_MOST_DIGITS = 18  # of a length in bytes; Python refuses to read thousands of them
_HEADER_LENGTH = re.compile(rb"\r\nInference-Header-Content-Length: *(\d{1,18})\r", re.IGNORECASE)
_HEX_DIGITS = b"0123456789abcdefABCDEF"


class BadResponse(Exception):
    """The bytes are not an HTTP/1.1 response."""


class ResponseReader:
    """Takes the bytes of one response in any portions.

    The first 2 KiB of a refused request's body are kept for the error message, and ``kept_bytes`` of other bodies.

    Attributes:
        complete: Whether the whole response was seen.
        status: The status code; 0 until the head was seen.
        keep_alive: Whether the connection may send another request.
        head: The head as received, blank line included, once seen.
        length: Bytes of body announced by Content-Length; -1 where it was not used.
        remaining: Bytes of body (of the chunk, when chunked) still to come.
    """

    __slots__ = (
        "_body",
        "_buffer",
        "_kept_bytes",
        "_state",
        "complete",
        "head",
        "keep_alive",
        "length",
        "remaining",
        "status",
    )

    def __init__(self, kept_bytes: int = 0) -> None:
        self._kept_bytes = kept_bytes
        self.complete = False
        self.status = 0
        self.keep_alive = True
        self.head = b""
        self.length = -1
        self.remaining = 0
        self._state = "head"
        self._buffer = bytearray()
        self._body = bytearray()

    @property
    def kept(self) -> bytes:
        """What was kept of the body."""
        return bytes(self._body)

    @property
    def header_bytes(self) -> int | None:
        """Length of the JSON that the body begins with, ahead of binary tensors; None if no header names it."""
        found = _HEADER_LENGTH.search(self.head)
        return int(found[1]) if found else None

    @property
    def error(self) -> str:
        """The server's error in one line: that of a JSON object, else what was kept of the body."""
        text = self._body.decode("utf-8", "replace")
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError):
            answer = None
        error = answer.get("error") if isinstance(answer, dict) else None
        return " ".join((error if isinstance(error, str) else text).split())

    @property
    def skippable(self) -> int:
        """The next bytes that need not be parsed: the rest of a successful, unchunked body."""
        return self.remaining if self._state == "length" and 200 <= self.status < 300 else 0

    def skip(self, count: int) -> None:
        """Accounts for ``count`` bytes, at most `skippable`, that were received and dropped."""
        self.remaining -= count
        self.complete = self.remaining == 0

    def feed(self, data: bytes) -> None:
        """Takes the next bytes.

        Raises:
            BadResponse: They cannot belong to a response, or go on after its end.
        """
        if self._state == "length" and not self._buffer:
            self._take_body(data)
            return
        self._buffer += data
        while self._step():
            pass
        if self.complete and self._buffer:
            raise BadResponse(f"{len(self._buffer)} bytes after the end of the response")

    def end(self) -> None:
        """The server closed the connection: completes a response whose body ends there.

        Raises:
            BadResponse: The response was incomplete.
        """
        if self._state != "until close":
            raise BadResponse("the connection was closed before the response was complete")
        self.complete = True

    def _step(self) -> bool:
        """Consumes one element of the buffer; False where more bytes are needed or nothing is left to do."""
        if self.complete:
            return False
        if self._state == "head":
            return self._read_head()
        if self._state == "length":
            taken = bytes(self._buffer)
            self._buffer.clear()
            self._take_body(taken)
            return False
        if self._state == "until close":
            self._keep(bytes(self._buffer))
            self._buffer.clear()
            return False
        return self._read_chunk()

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            # Garbage fails at once rather than at the deadline.
            if not b"HTTP/1.".startswith(self._buffer[:7]) or len(self._buffer) > _MAX_HEAD_BYTES:
                raise BadResponse(f"not an HTTP/1.1 response: {bytes(self._buffer[:40])!r}")
            return False
        head = bytes(self._buffer[: end + 4])
        del self._buffer[: end + 4]
        lines = head[:end].decode("latin-1").split("\r\n")
        self._read_status_line(lines[0])
        if 100 <= self.status < 200:
            return True
        self.head = head
        self._read_headers(lines)
        return True

    def _read_status_line(self, line: str) -> None:
        parts = line.split(" ", 2)
        if (
            len(parts) < 2
            or parts[0] not in ("HTTP/1.1", "HTTP/1.0")
            or not (parts[1].isascii() and parts[1].isdigit() and len(parts[1]) == 3)
        ):
            raise BadResponse(f"not an HTTP/1.1 response: {line[:40]!r}")
        self.status = int(parts[1])
        self.keep_alive = parts[0] == "HTTP/1.1"

    def _read_headers(self, lines: list[str]) -> None:
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon:
                raise BadResponse(f"not a header: {line[:40]!r}")
            headers[name.strip().lower()] = value.strip()
        connection = headers.get("connection", "").lower()
        if connection in ("close", "keep-alive"):
            self.keep_alive = connection == "keep-alive"
        if self.status in (204, 304):
            self.complete = True
        elif "chunked" in headers.get("transfer-encoding", "").lower():
            self._state = "chunk size"
        elif "content-length" in headers:
            length = headers["content-length"]
            if not (length.isascii() and length.isdigit() and len(length) <= _MOST_DIGITS):
                raise BadResponse(f"Content-Length is {length[:40]!r}")
            self._state = "length"
            self.length = self.remaining = int(length)
            self.complete = self.remaining == 0
        else:
            self._state = "until close"
            self.keep_alive = False

    def _take_body(self, data: bytes) -> None:
        if len(data) > self.remaining:
            raise BadResponse(f"{len(data) - self.remaining} bytes after the end of the response")
        self._keep(data)
        self.remaining -= len(data)
        self.complete = self.remaining == 0

    def _read_chunk(self) -> bool:
        if self._state == "chunk data":
            taken = bytes(self._buffer[: self.remaining])
            del self._buffer[: len(taken)]
            self._keep(taken)
            self.remaining -= len(taken)
            if self.remaining:
                return False
            self._state = "chunk end"
        line_end = self._buffer.find(b"\r\n")
        if line_end < 0:
            if len(self._buffer) > _MAX_LINE_BYTES:
                raise BadResponse("a chunk's size or trailer has no end")
            return False
        line = bytes(self._buffer[:line_end])
        del self._buffer[: line_end + 2]
        if self._state == "chunk end":
            if line:
                raise BadResponse("a chunk is longer than announced")
            self._state = "chunk size"
        elif self._state == "trailers":
            self.complete = not line
        else:
            size = line.partition(b";")[0].strip()
            if not size or size.strip(_HEX_DIGITS):
                raise BadResponse(f"a chunk's size is {line[:40]!r}")
            self.remaining = int(size, 16)
            self._state = "chunk data" if self.remaining else "trailers"
        return True

    def _keep(self, data: bytes) -> None:
        most = _KEPT_ERROR_BYTES if self.status >= 300 else self._kept_bytes
        if len(self._body) < most:
            self._body += data[: most - len(self._body)]
