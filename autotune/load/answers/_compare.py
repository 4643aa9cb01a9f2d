"""Compares two answers to one request."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from autotune.load.answers._types import Answer, Output

# Relative to the largest element of the tensor: another batch size may pick another kernel, which sums in another
# order. TF32 keeps 10 bits of the mantissa, so FP32 is compared as TF32 would allow. Other types must be equal. Guesses
# above the roundings of deep networks, and far below what mixed rows show.
_TOLERANCE = {"FP16": 1e-2, "BF16": 5e-2, "FP32": 1e-3, "FP64": 1e-6}
_ZERO = 1e-6  # of the tolerance where all elements are about zero


def differing(expected: Answer, found: Answer, unstable: Collection[str] = ()) -> dict[str, str]:
    """Each output that differs beyond the tolerance of its type, in words.

    Args:
        expected: The answer alone.
        found: The answer beside other requests.
        unstable: Outputs whose shapes are compared, but not their elements.
    """
    differences = {}
    for name in dict.fromkeys((*expected.outputs, *found.outputs)):
        alone, beside = expected.outputs.get(name), found.outputs.get(name)
        if alone is None or beside is None:
            differences[name] = "is missing" + (" alone" if alone is None else "")
        elif words := _difference(alone, beside, elements=name not in unstable):
            differences[name] = words
    return differences


def _difference(alone: Output, beside: Output, *, elements: bool) -> str:
    if alone.datatype != beside.datatype or alone.data.shape != beside.data.shape:
        return f"is {_typed(alone)} alone and {_typed(beside)} beside others"
    if not elements or not alone.data.size:
        return ""
    wrong = _beyond_tolerance(alone, beside)
    if not wrong.any():
        return ""
    place = tuple(int(each) for each in np.argwhere(wrong)[0])
    where = ",".join(map(str, place))
    return f"[{where}] is {_written(alone.data[place])} alone and {_written(beside.data[place])} beside others"


def _beyond_tolerance(alone: Output, beside: Output) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    tolerance = _TOLERANCE.get(alone.datatype)
    if tolerance is None:
        return np.asarray(alone.data != beside.data)
    ours, theirs = alone.data.astype(np.float64), beside.data.astype(np.float64)
    finite = np.isfinite(ours) & np.isfinite(theirs)
    largest = float(np.abs(ours[finite]).max(initial=0.0))
    with np.errstate(invalid="ignore"):
        close = np.abs(ours - theirs) <= tolerance * max(largest, _ZERO)
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    return np.asarray(~np.where(finite, close, same))


def _typed(output: Output) -> str:
    return f"{output.datatype}[{','.join(map(str, output.data.shape))}]"


def _written(value: object) -> str:
    text = repr(value) if isinstance(value, bytes) else f"{value:.6g}" if isinstance(value, np.floating) else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
