"""The messages of a streamed response: counted, timed, and checked for an error."""

from __future__ import annotations

import math

from autotune.load.grpc._call import PREFIX_BYTES
from autotune.load.grpc._frames import BadFrames

# Of inference.ModelStreamInferResponse: string error_message = 1.
_ERROR_FIELD = 1
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}


class MessageReader:
    """Takes the length-prefixed messages of one stream in any portions.

    Attributes:
        count: Complete responses without an error.
        first_at: When the first of them was complete; infinite before.
        error: The first error in one; empty without one.
    """

    __slots__ = ("_buffer", "count", "error", "first_at")

    def __init__(self) -> None:
        self.count = 0
        self.first_at = math.inf
        self.error = ""
        self._buffer = bytearray()

    @property
    def cut_short(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._buffer)

    def feed(self, data: bytes, now: float) -> None:
        """Takes the next bytes, which came ``now``.

        Raises:
            BadFrames: They are not messages.
        """
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) - start >= PREFIX_BYTES:
            if buffer[start] != 0:
                raise BadFrames("a compressed message, which was not asked for")
            begin = start + PREFIX_BYTES
            end = begin + int.from_bytes(buffer[start + 1 : begin], "big")
            if len(buffer) < end:
                break
            self._take(bytes(buffer[begin:end]), now)
            start = end
        del buffer[:start]

    def _take(self, message: bytes, now: float) -> None:
        error = error_message(message)
        if error:
            self.error = self.error or error
            return
        if not self.count:
            self.first_at = now
        self.count += 1


_MOST_BITS = 63  # the shift of the last byte of a number of 64 bits


def error_message(message: bytes) -> str:
    """The error in a serialised ``inference.ModelStreamInferResponse``; empty without one.

    Raises:
        BadFrames: It is no Protocol Buffers message.
    """
    position = 0
    try:
        while position < len(message):
            tag, position = varint(message, position)
            field, form = tag >> 3, tag & 0x7
            start = position
            if form == _LENGTH:
                length, start = varint(message, position)
                position = start + length
            elif form == _VARINT:
                _, position = varint(message, position)
            else:
                position += _FIXED_BYTES[form]
            if field == _ERROR_FIELD and form == _LENGTH and start < position <= len(message):
                return " ".join(message[start:position].decode("utf-8", "replace").split())
    except (IndexError, KeyError) as error:
        raise BadFrames("a message that is no ModelStreamInferResponse") from error
    if position != len(message):
        raise BadFrames("a message that is no ModelStreamInferResponse")
    return ""


def varint(message: bytes, position: int) -> tuple[int, int]:
    """The integer at ``position``, and where it ends."""
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > _MOST_BITS:
            raise IndexError("a number of more than 64 bits")
