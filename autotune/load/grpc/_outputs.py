"""The outputs that a serialised ``inference.ModelInferResponse`` has, read from its beginning."""

from __future__ import annotations

from collections.abc import Sequence

from autotune.load._outputs import words_for
from autotune.load.grpc._messages import varint

_OUTPUTS, _CONTENTS = 5, 6  # fields of the message, which are written in this order; the contents are large
_NAME = 1  # of an output
_LENGTH = 2  # the wire type of both


def missing_outputs(declared: Sequence[str], message: bytes, size: int) -> str | None:
    """What is wrong with a response, in words; empty if nothing is, None if its beginning does not show it.

    Args:
        declared: The outputs that it must have.
        message: The message, or the beginning of it.
        size: Bytes of the whole message.
    """
    found: list[str] = []
    position = 0
    try:
        while position < size:
            field, start, end = _field(message, position)
            if field == _CONTENTS:
                break
            if end > len(message):
                return None
            if field == _OUTPUTS:
                name, begin, stop = _field(message, start)
                found.append(message[begin:stop].decode("utf-8", "replace") if name == _NAME else "")
            position = end
    except (IndexError, ValueError):  # it goes on beyond what was kept, or is no such message
        return None
    return words_for(declared, found)


def _field(message: bytes, position: int) -> tuple[int, int, int]:
    """The number of the field at ``position``, and where its content begins and ends.

    Raises:
        ValueError: It is none of the fields that this message has.
        IndexError: The message ends before.
    """
    tag, position = varint(message, position)
    if tag & 0x7 != _LENGTH:
        raise ValueError(f"a field of wire type {tag & 0x7}")
    length, start = varint(message, position)
    return tag >> 3, start, start + length
