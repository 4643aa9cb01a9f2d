"""Recorded arrivals, from a text file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autotune.errors import UsageError
from autotune.load._schedule import Trace
from autotune.reading import Unreadable, read_text

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

TRACE_FORMATS = ("timestamps", "gaps")
TRACE_UNITS: dict[str, tuple[str, float]] = {
    "s": ("seconds", 1.0),
    "ms": ("milliseconds", 1e-3),
    "us": ("microseconds", 1e-6),
    "ns": ("nanoseconds", 1e-9),
}
"""Units of the numbers in a trace: the word, and its seconds. perf_analyzer's intervals are microseconds."""
_MOST_BYTES = 256 << 20  # guess: some ten million arrivals
_SHOWN = 40  # characters of a line


def read_trace(path: Path, kind: str, flag: str = "--trace", unit: str = "s") -> Trace:
    """The arrivals that a file records, one number a line; blank lines and ``#`` comments are skipped.

    Timestamps may start anywhere, such as at Unix time: the first request is sent at the start. Gaps are the
    waits before each request, the first one's included. Reads a million lines in about a second.

    Args:
        path: The file.
        kind: What the numbers are: ``timestamps`` or ``gaps``.
        flag: The option that named the file, for messages; the one for ``kind`` is it with ``-format`` behind, the one
            for ``unit`` with ``-unit``.
        unit: Of the numbers, a key of `TRACE_UNITS`.

    Raises:
        UsageError: It cannot be read or is no file, holds no number, or one that is not a time; it names the line.
    """
    check_trace_words(kind, unit, flag)
    try:
        lines = read_text(path, _MOST_BYTES).splitlines()
    except Unreadable as error:
        raise UsageError(f"{flag}: cannot read {path}: {error}") from None
    words = [line.partition("#")[0].strip() for line in lines]
    try:
        word, seconds = TRACE_UNITS[unit]
        return Trace.of(str(path), _arrivals(words, kind, flag, word) * seconds)
    except ValueError as error:
        raise UsageError(f"{flag}: {path}: {error}") from None


def check_trace_words(kind: str, unit: str, flag: str = "--trace") -> None:
    """Raises `UsageError` if the format or the unit of a trace is unknown; arguments as for `read_trace`."""
    if unit not in TRACE_UNITS:
        raise UsageError(f"{flag}-unit: {unit!r} is unknown; use {', '.join(TRACE_UNITS)}")
    if kind not in TRACE_FORMATS:
        raise UsageError(f"{flag}-format: {kind!r} is unknown; use {' or '.join(TRACE_FORMATS)}")


def _arrivals(words: list[str], kind: str, flag: str, unit: str) -> NDArray[np.float64]:
    """Times from the start, in the file's unit; raises `ValueError` that names the line at fault."""
    values = _numbers(words, unit)
    if not len(values):
        raise ValueError(f"holds no number; write one a line, in {unit}")
    wrong = ~np.isfinite(values) | (values < 0)
    if wrong.any():
        line, text = _nth(words, int(np.argmax(wrong)))
        raise ValueError(f"line {line}: {text} is not a time; write {unit} of 0 or more")
    if kind == "gaps":
        return np.cumsum(values)
    falls = np.diff(values) < 0
    if falls.any():
        index = int(np.argmax(falls))
        (_, before), (line, text) = _nth(words, index), _nth(words, index + 1)
        raise ValueError(
            f"line {line}: {text} comes after {before}; timestamps must not decrease; if these are gaps between"
            f" arrivals, say {flag}-format gaps"
        )
    shifted: NDArray[np.float64] = values - values[0]
    return shifted


def _numbers(words: list[str], unit: str) -> NDArray[np.float64]:
    try:
        return np.array([float(word) for word in words if word])
    except ValueError:
        for line, word in enumerate(words, 1):
            if word and not _is_number(word):
                shown = f"{word[:_SHOWN]!r}{'...' if len(word) > _SHOWN else ''}"
                raise ValueError(f"line {line}: {shown} is not a number; write one a line, in {unit}") from None
        raise


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _nth(words: list[str], index: int) -> tuple[int, str]:
    """Line number and text of the number with this index."""
    line, word = [(line, word) for line, word in enumerate(words, 1) if word][index]
    return line, word if len(word) <= _SHOWN else f"{word[:_SHOWN]}..."
