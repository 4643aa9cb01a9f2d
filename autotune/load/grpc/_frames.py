"""HTTP/2 frames (RFC 9113): how they are laid out, and those that a client writes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

HEADER = struct.Struct(">HBBBL")
"""A frame's header: its length (upper 16 bits, lower 8), type, flags, stream."""
NUMBER = struct.Struct(">L")
"""A stream's number, a window's increment, an error code."""

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)

END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
WITH_PRIORITY = 0x20

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = range(1, 6)
DEFAULT_WINDOW_BYTES = 65535
DEFAULT_FRAME_BYTES = 16384
LARGEST_FRAME_BYTES = (1 << 24) - 1
LARGEST_WINDOW_BYTES = LARGEST_NUMBER = (1 << 31) - 1

CANCEL = 0x8
_ERRORS = (
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
)


class BadFrames(Exception):
    """The bytes are not what an HTTP/2 server that speaks gRPC sends; the connection is of no more use."""


def error_name(code: int) -> str:
    """What RFC 9113, section 7, calls an error code."""
    return _ERRORS[code] if code < len(_ERRORS) else f"error {code:#x}"


def frame_head(length: int, kind: int, flags: int) -> bytes:
    """All of a frame's header but the stream's number, 5 bytes."""
    return HEADER.pack(length >> 8, length & 0xFF, kind, flags, 0)[:5]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A whole frame."""
    return HEADER.pack(len(payload) >> 8, len(payload) & 0xFF, kind, flags, stream) + payload


def settings_frame(values: Mapping[int, int]) -> bytes:
    """A SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HL", key, value) for key, value in values.items()))


def window_update(stream: int, increment: int) -> bytes:
    """A WINDOW_UPDATE frame; stream 0 is the connection."""
    return frame(WINDOW_UPDATE, 0, stream, NUMBER.pack(increment))


def unpadded(flags: int, payload: bytes) -> bytes:
    """A DATA or HEADERS frame's payload without padding and priority.

    Raises:
        BadFrames: There is more padding than payload.
    """
    start, stop = 0, len(payload)
    if flags & PADDED:
        start, stop = 1, stop - payload[0] if payload else -1
    if flags & WITH_PRIORITY:
        start += 5
    if start > stop:
        raise BadFrames("a frame with more padding than payload")
    return payload[start:stop]
