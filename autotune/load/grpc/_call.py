"""A call on the wire: its headers, compressed in advance, and its length-prefixed message.

The layout of a call is that of "gRPC over HTTP/2", its header block that of RFC 7541.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autotune.load.grpc._frames import DATA, END_HEADERS, END_STREAM, HEADERS, frame_head
from autotune.load.grpc._request import sequence_parameters

if TYPE_CHECKING:
    from collections.abc import Callable

    from autotune.load._sequences import Step
    from autotune.load._target import Target

PREFIX_BYTES = 5
"""A message begins with a byte that says whether it is compressed, and its length in four."""

_UNARY_PATH = "/inference.GRPCInferenceService/ModelInfer"
_STREAM_PATH = "/inference.GRPCInferenceService/ModelStreamInfer"

# Fields that RFC 7541's static table has in full, and entries of it whose names are used.
_POST, _HTTP = b"\x83", b"\x86"
_AUTHORITY, _PATH, _CONTENT_TYPE, _USER_AGENT = 1, 4, 31, 58


class Call:
    """One request as sent over any connection, without the stream's number.

    Attributes:
        head: The first five bytes of its HEADERS frame; the stream's number follows.
        block: What follows then: the header block.
        block_and_data_head: The same with the first five bytes of the one DATA frame that contains the message,
            if it fits into one; the stream's number and the message follow.
        message: The serialised request with its prefix.
        size: Bytes in the message, which flow control counts.
    """

    __slots__ = ("block", "block_and_data_head", "head", "message", "size")

    def __init__(self, request: bytes, block: bytes) -> None:
        self.head = frame_head(len(block), HEADERS, END_HEADERS)
        self.block = block
        self.message = b"\x00" + len(request).to_bytes(4, "big") + request
        self.size = len(self.message)
        # One that is longer than any frame is never sent with it.
        self.block_and_data_head = block + frame_head(self.size & 0xFFFFFF, DATA, END_STREAM)


def calls_of(target: Target) -> tuple[Call, ...]:
    """The calls for a target's requests."""
    block = _block_of(target)
    return tuple(Call(request, block) for request in target.requests)


def call_maker(target: Target) -> Callable[[Step], Call]:
    """Makes the call of a step of a sequence."""
    block, requests = _block_of(target), target.requests
    text = target.sequences is not None and target.sequences.text_ids
    return lambda step: Call(requests[step.request] + sequence_parameters(step, text=text), block)


def _block_of(target: Target) -> bytes:
    return header_block(target.host, target.port, _STREAM_PATH if target.options.streaming else _UNARY_PATH)


def header_block(host: str, port: int, path: str) -> bytes:
    """The headers of a call of the method at ``path``.

    They are written out in full every time: a server that looks them up in its table of earlier ones saves nothing
    that could be measured, and so none of them depends on what was sent before.
    """
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return b"".join(
        [
            _POST,
            _HTTP,
            _literal(_PATH, path),
            _literal(_AUTHORITY, authority),
            _literal("te", "trailers"),
            _literal(_CONTENT_TYPE, "application/grpc"),
            _literal(_USER_AGENT, "triton-autotune"),
        ]
    )


def _literal(name: int | str, value: str) -> bytes:
    """RFC 7541, section 6.2.2: a field that the server need not remember.

    An integer is the name's index in the static table.
    """
    if isinstance(name, int):
        return _integer(name, 4) + _text(value)
    return b"\x00" + _text(name) + _text(value)


def _text(text: str) -> bytes:
    encoded = text.encode("utf-8")
    return _integer(len(encoded), 7) + encoded


def _integer(value: int, bits: int) -> bytes:
    """RFC 7541, section 5.1: ``value`` in the low ``bits`` of a byte, and in more bytes where it does not fit."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([value])
    written, value = bytearray([most]), value - most
    while value >= 0x80:
        written.append(0x80 | value & 0x7F)
        value >>= 7
    written.append(value)
    return bytes(written)
