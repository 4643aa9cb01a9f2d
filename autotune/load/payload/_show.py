"""Values of input data in messages, which are one short line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_CHARACTERS = 40
_ITEMS = 4
_DIMENSIONS = 8


def show(value: Any) -> str:
    """The value, shortened: it may be a whole tensor, or a string of many megabytes."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        is_short = len(value) <= _ITEMS and not any(isinstance(each, (dict, list)) for each in value)
        return f"[{', '.join(map(show, value))}]" if is_short else "a list"
    if isinstance(value, int) and abs(value) >= 10**_CHARACTERS:
        return f"an integer of over {_CHARACTERS} digits"
    text = repr(value[:_CHARACTERS] if isinstance(value, str) else value)
    return f"{text}..." if isinstance(value, str) and len(value) > _CHARACTERS else text


def written(shape: Sequence[int]) -> str:
    """A shape as configs write it: ``[3,-1]``."""
    sizes = ",".join(map(str, shape[:_DIMENSIONS]))
    return f"[{sizes}]" if len(shape) <= _DIMENSIONS else f"[{sizes},...] of {len(shape)} dimensions"
