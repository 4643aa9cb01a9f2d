"""What a call consists of on the wire: its headers, compressed in advance, and its length-prefixed message.

Header blocks are those of RFC 7541; the layout of a call is that of "gRPC over HTTP/2".
"""

from __future__ import annotations

from dataclasses import dataclass

from autotune.load.grpc._frames import DATA, END_HEADERS, END_STREAM, HEADERS, frame_head

UNARY_PATH = "/inference.GRPCInferenceService/ModelInfer"
STREAM_PATH = "/inference.GRPCInferenceService/ModelStreamInfer"

PREFIX_BYTES = 5
"""A message begins with a byte that says whether it is compressed, and its length in four."""

_EMPTY_THE_TABLE = b"\x20"
# Fields in full in RFC 7541's static table.
_POST, _HTTP = b"\x83", b"\x86"
# Entries of the static table whose names are used.
_AUTHORITY, _PATH, _CONTENT_TYPE, _USER_AGENT = 1, 4, 31, 58
_STATIC_ENTRIES = 61
_ADD_TO_TABLE = (0x40, 6)
_LEAVE_TABLE = (0x00, 4)


class Call:
    """One request as it goes over any connection: all but the stream's number.

    Attributes:
        message: The serialised request with its prefix.
        size: Bytes in it, which flow control counts.
        data_head: The first five bytes of the one DATA frame that carries it, where it fits into one.
    """

    __slots__ = ("data_head", "message", "size")

    def __init__(self, request: bytes) -> None:
        self.message = b"\x00" + len(request).to_bytes(4, "big") + request
        self.size = len(self.message)
        # One that is longer than a frame can be is never sent with it.
        self.data_head = frame_head(self.size & 0xFFFFFF, DATA, END_STREAM)


@dataclass(frozen=True)
class CallHeaders:
    """The headers that every call of a generator has, as HEADERS frames without the stream's number.

    Each is a pair: the first five bytes of the frame, and its header block.

    Attributes:
        first: For the first call of a connection: the server keeps the fields in its table.
        later: For all later ones: refers to that table, which saves the server half of the work.
        emptying: For the first call after the server wants a smaller table.
        plain: For calls after that.
    """

    first: tuple[bytes, bytes]
    later: tuple[bytes, bytes]
    emptying: tuple[bytes, bytes]
    plain: tuple[bytes, bytes]

    @classmethod
    def of(cls, host: str, port: int, path: str) -> CallHeaders:
        """The headers of calls of the method at ``path``."""
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        fields: list[tuple[int | str, str]] = [
            (_PATH, path),
            (_AUTHORITY, authority),
            ("te", "trailers"),
            (_CONTENT_TYPE, "application/grpc"),
            (_USER_AGENT, "triton-autotune"),
        ]
        fixed = _POST + _HTTP
        added = b"".join(_literal(_ADD_TO_TABLE, *field) for field in fields)
        # The entry added last is the first after the static ones.
        indices = range(_STATIC_ENTRIES + len(fields), _STATIC_ENTRIES, -1)
        plain = b"".join(_literal(_LEAVE_TABLE, *field) for field in fields)
        return cls(
            first=_framed(fixed + added),
            later=_framed(fixed + bytes(0x80 | index for index in indices)),
            emptying=_framed(_EMPTY_THE_TABLE + fixed + plain),
            plain=_framed(fixed + plain),
        )


def _framed(block: bytes) -> tuple[bytes, bytes]:
    return frame_head(len(block), HEADERS, END_HEADERS), block


def _literal(form: tuple[int, int], name: int | str, value: str) -> bytes:
    """A field as RFC 7541, section 6.2, writes it out; an integer is the name's index in the static table."""
    first, bits = form
    if isinstance(name, int):
        return _integer(first, bits, name) + _text(value)
    return bytes([first]) + _text(name) + _text(value)


def _text(text: str) -> bytes:
    encoded = text.encode("utf-8")
    return _integer(0x00, 7, len(encoded)) + encoded


def _integer(first: int, bits: int, value: int) -> bytes:
    """RFC 7541, section 5.1: ``value`` in the low ``bits`` of a byte, and in more bytes where it does not fit."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    written, value = bytearray([first | most]), value - most
    while value >= 0x80:
        written.append(0x80 | value & 0x7F)
        value >>= 7
    written.append(value)
    return bytes(written)
