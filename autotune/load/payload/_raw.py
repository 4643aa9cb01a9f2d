"""Raw bytes as elements: little endian, in row-major order. Errors are `ValueError` in words."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from autotune.load.payload._tensor_bytes import NUMPY_TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_LENGTH = struct.Struct("<I")


def from_raw(raw: bytes, datatype: str, source: str) -> NDArray[np.generic]:
    """The elements, shape (n,); each BYTES element is preceded by its length in 4 bytes.

    Args:
        raw: The bytes.
        datatype: Triton's name of the element type.
        source: What holds the bytes, for the error.

    Raises:
        ValueError: The bytes are no whole number of elements.
    """
    if datatype == "BYTES":
        return _from_prefixed(raw, source)
    dtype = NUMPY_TYPES[datatype]
    if len(raw) % dtype.itemsize:
        raise ValueError(
            f"{source} holds {len(raw)} bytes, no whole number of {datatype} ({dtype.itemsize} bytes each)"
        )
    return np.frombuffer(raw, dtype)


def bytes_elements(elements: Sequence[bytes]) -> NDArray[np.generic]:
    """The elements of a BYTES tensor, shape (n,)."""
    array = np.empty(len(elements), np.object_)
    array[:] = elements
    return array


def _from_prefixed(raw: bytes, source: str) -> NDArray[np.generic]:
    elements, position = [], 0
    while position < len(raw):
        start = position + _LENGTH.size
        end = start + _LENGTH.unpack_from(raw, position)[0] if start <= len(raw) else start
        if end > len(raw):
            raise ValueError(
                f"{source} ends within an element; BYTES elements are a 4-byte length and as many bytes each"
            )
        elements.append(raw[start:end])
        position = end
    return bytes_elements(elements)
