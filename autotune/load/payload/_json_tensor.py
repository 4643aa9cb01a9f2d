"""A tensor as perf_analyzer's JSON writes it: a list of values, nested or flat, or base64 of the raw bytes.

Errors are `ValueError` with what is wrong in words; the caller knows where it stands.
"""

from __future__ import annotations

import base64
import binascii
import struct
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from autotune.load.payload._tensor_bytes import NUMPY_TYPES

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

_LENGTH = struct.Struct("<I")
_SHOWN = 40


@dataclass(frozen=True)
class JsonTensor:
    """A tensor's elements.

    Attributes:
        values: In row-major order, shape (n,), of the datatype's numpy type.
        shape: As the file says, by a ``shape`` or by nesting; None for a flat list without one.
    """

    values: NDArray[np.generic]
    shape: tuple[int, ...] | None


def parse_tensor(written: Any, datatype: str) -> JsonTensor:
    """The tensor that ``written``, a value of parsed JSON, stands for.

    Args:
        written: ``[1, 2]``, ``{"content": [1, 2], "shape": [2]}``, ``{"b64": "..."}`` or
            ``{"content": {"b64": "..."}, "shape": [2]}``.
        datatype: Triton's name of the element type.

    Raises:
        ValueError: It is none of these, or holds what the datatype cannot; the message says so in words.
    """
    shape = None
    if isinstance(written, dict) and "content" in written and set(written) <= {"content", "shape"}:
        shape = _shape(written["shape"]) if "shape" in written else None
        written = written["content"]
    if isinstance(written, dict) and set(written) == {"b64"}:
        return JsonTensor(_from_base64(written["b64"], datatype), shape)
    if not isinstance(written, list):
        raise ValueError(
            f'{_show(written)} is no tensor; write [...], {{"b64": "..."}} or {{"content": ..., "shape": [...]}}'
        )
    flat, nested = _flatten(written)
    if shape is None and len(nested) > 1:
        shape = nested
    return JsonTensor(_values(flat, datatype), shape)


def _shape(written: Any) -> tuple[int, ...]:
    if not isinstance(written, list) or any(type(size) is not int or size < 1 for size in written):
        raise ValueError(f"shape {_show(written)} is not a list of sizes of 1 or more")
    return tuple(written)


def _flatten(values: list[Any]) -> tuple[list[Any], tuple[int, ...]]:
    """The innermost values in order, and the sizes of the lists around them."""
    shape = [len(values)]
    while any(type(value) is list for value in values):
        sizes = {len(value) if type(value) is list else -1 for value in values}
        if len(sizes) > 1:
            raise ValueError("its lists differ in length; every row needs the same number of values")
        shape.append(sizes.pop())
        values = list(chain.from_iterable(values))
    return values, tuple(shape)


def _values(flat: list[Any], datatype: str) -> NDArray[np.generic]:
    if datatype == "BYTES":
        _check_types(flat, {str}, datatype, "strings")
        elements = np.empty(len(flat), np.object_)
        elements[:] = [value.encode() for value in flat]
        return elements
    if datatype == "BOOL":
        _check_types(flat, {bool, int}, datatype, "true and false")
        _check_range(flat, 0, 1, datatype)
        return np.array(flat, np.bool_)
    if datatype.startswith(("FP", "BF")):
        _check_types(flat, {int, float}, datatype, "numbers")
        return _floats(flat, datatype)
    _check_types(flat, {int}, datatype, "integers")
    dtype = NUMPY_TYPES[datatype]
    values, signed = 256**dtype.itemsize, datatype.startswith("INT")
    _check_range(flat, -values // 2 if signed else 0, (values // 2 if signed else values) - 1, datatype)
    return np.array(flat, dtype)


def _check_types(flat: Sequence[Any], allowed: Collection[type], datatype: str, takes: str) -> None:
    if set(map(type, flat)) <= set(allowed):  # compares types, as True is an int
        return
    index = next(index for index, value in enumerate(flat) if type(value) not in allowed)
    raise ValueError(f"value {index + 1} is {_show(flat[index])}; {datatype} takes {takes}")


def _check_range(flat: Sequence[int], lowest: int, highest: int, datatype: str) -> None:
    if flat and (min(flat) < lowest or max(flat) > highest):
        index = next(index for index, value in enumerate(flat) if not lowest <= value <= highest)
        raise ValueError(f"value {index + 1} is {_show(flat[index])}; {datatype} takes {lowest} to {highest}")


def _floats(flat: Sequence[float], datatype: str) -> NDArray[np.generic]:
    try:
        exact = np.array(flat, np.float64)
    except OverflowError:  # an integer beyond any float
        exact = np.array([float(value) if abs(value) < 2**1023 else np.inf for value in flat])
    with np.errstate(over="ignore"):
        rounded = exact.astype(np.float32 if datatype == "BF16" else NUMPY_TYPES[datatype])
        finite = np.isfinite(rounded)
    values: NDArray[np.generic] = rounded
    if datatype == "BF16":
        bits = rounded.view(np.uint32).astype(np.uint64)
        # To the nearest, ties to even; beyond the largest it overflows into infinity's exponent.
        upper = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
        values, finite = upper, finite & ((upper & 0x7F80) != 0x7F80)
    if not finite.all():
        index = int(np.argmin(finite))
        raise ValueError(f"value {index + 1} is {_show(flat[index])}, which {datatype} cannot hold")
    return values


def _from_base64(text: Any, datatype: str) -> NDArray[np.generic]:
    """Raw little-endian elements; each BYTES element preceded by its length in 4 bytes."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (TypeError, binascii.Error, ValueError):
        raise ValueError(f"b64 {_show(text)} is not base64") from None
    if datatype == "BYTES":
        return _from_prefixed(raw)
    dtype = NUMPY_TYPES[datatype]
    if len(raw) % dtype.itemsize:
        raise ValueError(f"b64 holds {len(raw)} bytes, no whole number of {datatype} ({dtype.itemsize} bytes each)")
    return np.frombuffer(raw, dtype)


def _from_prefixed(raw: bytes) -> NDArray[np.generic]:
    elements, position = [], 0
    while position < len(raw):
        start = position + _LENGTH.size
        end = start + _LENGTH.unpack_from(raw, position)[0] if start <= len(raw) else start
        if end > len(raw):
            raise ValueError("b64 ends within an element; BYTES elements are a 4-byte length and as many bytes each")
        elements.append(raw[start:end])
        position = end
    array = np.empty(len(elements), np.object_)
    array[:] = elements
    return array


def _show(value: Any) -> str:
    """The value, shortened: it may be a whole tensor."""
    text = repr(value) if not isinstance(value, (dict, list)) or len(value) <= 4 else f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
