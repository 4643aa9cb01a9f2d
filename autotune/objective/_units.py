"""Durations, sizes and percentages as a person writes them."""

from __future__ import annotations

import math
import re

from autotune.errors import UsageError
from autotune.limits import LONGEST_S, MOST_BYTES

_DURATION = re.compile(r"(?P<sign>[+-]?)(?P<number>\d+(\.\d*)?|\.\d+)\s*(?P<unit>[a-zµ]*)", re.IGNORECASE | re.ASCII)
_SECONDS_PER_UNIT = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}

_SHOWN = 40  # characters of a text in an error
_SIZE = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?P<unit>[kmgt])(i?b)?", re.IGNORECASE | re.ASCII)
_SIZE_UNITS = "bkmgt"


def parse_duration(text: str, flag: str) -> float:
    """Seconds in a duration such as ``5ms``, ``800us``, ``2.5ms``, ``1.5s``, ``10m`` or ``2h``.

    Args:
        text: What the person wrote.
        flag: The flag or key it was written for; named in the error.

    Raises:
        UsageError: No unit, an unknown unit, not a number, not above zero, or longer than a year.
    """
    match = _DURATION.fullmatch(str(text).strip())
    if match is None:
        raise UsageError(f"{flag}: {text!r} is not a duration; write a number and a unit, such as 5ms, 800us or 1.5s")
    number, unit = match["number"], match["unit"].lower()
    if not unit:
        raise UsageError(f"{flag}: {text!r} has no unit; write {number}ms, {number}us or {number}s")
    if unit not in _SECONDS_PER_UNIT:
        raise UsageError(f"{flag}: unknown unit {match['unit']!r} in {text!r}; use ns, us, ms, s, m or h")
    seconds = float(number) * _SECONDS_PER_UNIT[unit]
    if seconds > LONGEST_S:
        raise UsageError(f"{flag}: {_cut(text)} is longer than a year; write a shorter duration, such as 10m")
    if match["sign"] == "-" or seconds <= 0:
        raise UsageError(f"{flag}: {text!r} is not above zero; a duration must be positive, such as 5ms")
    return seconds


def _cut(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


def format_duration(seconds: float) -> str:
    """A duration as a person would write it, three digits at most: ``800us``, ``2.5ms``, ``1.5s``."""
    if not math.isfinite(seconds):
        return "inf"
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale or unit == "us":
            value = seconds / scale
            return f"{value:.0f}{unit}" if value >= 100 else f"{value:.3g}{unit}"
    raise AssertionError("unreachable")


def parse_size(text: str, flag: str) -> int:
    """Bytes in a size such as ``2g``, ``512m`` or ``1.5GiB``; units are powers of 1024, as Docker reads them.

    Raises:
        UsageError: No unit, an unknown one, not a number, not above zero, or beyond any machine.
    """
    match = _SIZE.fullmatch(str(text).strip())
    size = float(match["number"]) * 1024 ** _SIZE_UNITS.index(match["unit"].lower()) if match else 0.0
    if not 1 <= size <= MOST_BYTES:
        raise UsageError(f"{flag}: {text!r} is not a size above zero and up to 1024t, with a unit; write 2g or 512m")
    return int(size)


def format_size(size: float) -> str:
    """A size as a person would write it, three digits at most: ``512m``, ``1.5g``."""
    power = max(1, min(len(_SIZE_UNITS) - 1, int(math.log(max(size, 1), 1000))))
    return f"{size / 1024**power:.3g}{_SIZE_UNITS[power]}"


def parse_percent(text: str, flag: str) -> float:
    """The fraction in a percentage from 0% to below 100%, such as ``5%``.

    Raises:
        UsageError: It is something else.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*%\s*", str(text), re.ASCII)
    if found is None or not 0 <= float(found[1]) < 100:
        raise UsageError(f"{flag}: {text!r} is no percentage from 0% to below 100%; write 5%")
    return float(found[1]) / 100
