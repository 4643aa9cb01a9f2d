"""A tensor as perf_analyzer's JSON writes it: a list of values, nested or flat, or base64 of the raw bytes.

Errors are `ValueError` with what is wrong in words; the caller knows the file, the entry and the input.
"""

from __future__ import annotations

import base64
import binascii
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from autotune.load.payload._entry import Values
from autotune.load.payload._raw import from_raw
from autotune.load.payload._show import show
from autotune.load.payload._tensor_bytes import NUMPY_TYPES, to_bfloat16

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

_KEYS = {"content", "b64", "shape"}
_FORMS = '[...], {"b64": "..."} or {"content": ..., "shape": [...]}'


def parse_tensor(written: Any, datatype: str) -> Values:
    """The tensor that ``written``, a value of parsed JSON, stands for.

    Args:
        written: ``[1, 2]``, ``{"content": [1, 2], "shape": [2]}``, ``{"b64": "...", "shape": [2]}`` or
            ``{"content": {"b64": "..."}, "shape": [2]}``; a shape may be left out.
        datatype: Triton's name of the element type.

    Raises:
        ValueError: It is none of these, or holds what the datatype cannot; the message says so in words.
    """
    shape = None
    if isinstance(written, dict):
        _check_keys(written)
        shape = _shape(written["shape"]) if "shape" in written else None
        written = written["content"] if "content" in written else {k: v for k, v in written.items() if k == "b64"}
    if isinstance(written, dict):
        if set(written) != {"b64"}:
            raise ValueError(f"{show(written)} is no tensor; write {_FORMS}")
        return Values(from_raw(_decoded(written["b64"]), datatype, "b64"), shape)
    if not isinstance(written, list):
        raise ValueError(f"{show(written)} is no tensor; write {_FORMS}")
    flat, nested = _flatten(written)
    if shape is None and len(nested) > 1:
        shape = nested
    return Values(_values(flat, datatype), shape)


def _check_keys(written: dict[str, Any]) -> None:
    if unknown := written.keys() - _KEYS:
        raise ValueError(f"{show(min(unknown))} is no key of a tensor; write {_FORMS}")
    if "content" in written and "b64" in written:
        raise ValueError(f"has both content and b64; write {_FORMS}")


def _shape(written: Any) -> tuple[int, ...]:
    if not isinstance(written, list) or any(type(size) is not int or size < 0 for size in written):
        raise ValueError(f"shape {show(written)} is not a list of sizes of 0 or more")
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
    raise ValueError(f"value {index + 1} is {show(flat[index])}; {datatype} takes {takes}")


def _check_range(flat: Sequence[int], lowest: int, highest: int, datatype: str) -> None:
    if flat and (min(flat) < lowest or max(flat) > highest):
        index = next(index for index, value in enumerate(flat) if not lowest <= value <= highest)
        raise ValueError(f"value {index + 1} is {show(flat[index])}; {datatype} takes {lowest} to {highest}")


def _floats(flat: Sequence[float], datatype: str) -> NDArray[np.generic]:
    """NaN and infinity are values like others; a finite number that becomes infinite is an error."""
    try:
        exact = np.array(flat, np.float64)
    except OverflowError:  # an integer beyond any float
        index = next(index for index, value in enumerate(flat) if type(value) is int and abs(value) >= 2**1023)
        raise ValueError(f"value {index + 1} is {show(flat[index])}, which {datatype} cannot hold") from None
    values: NDArray[np.generic]
    with np.errstate(over="ignore", invalid="ignore"):
        if datatype == "BF16":
            upper = to_bfloat16(exact.astype(np.float32))
            values, finite = upper, (upper & 0x7F80) != 0x7F80
        else:
            values = exact.astype(NUMPY_TYPES[datatype])
            finite = np.isfinite(values)
    lost = np.isfinite(exact) & ~finite
    if lost.any():
        index = int(np.argmax(lost))
        raise ValueError(f"value {index + 1} is {show(flat[index])}, which {datatype} cannot hold")
    return values


def _decoded(text: Any) -> bytes:
    """The bytes behind base64; line breaks and missing padding are fine, as they are to perf_analyzer."""
    try:
        packed = "".join(text.split())
        return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (AttributeError, TypeError, binascii.Error, ValueError):
        raise ValueError(f"b64 {show(text)} is not base64") from None
