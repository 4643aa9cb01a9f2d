"""Recorded arrivals, from a text file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from autotune.errors import UsageError
from autotune.load._schedule import Trace

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

TraceFormat = Literal["timestamps", "gaps"]
TRACE_FORMATS: tuple[TraceFormat, ...] = ("timestamps", "gaps")


def read_trace(path: Path, kind: TraceFormat, flag: str = "--trace") -> Trace:
    """The arrivals that a file records, one number a line, in seconds; blank lines and ``#`` comments are skipped.

    Timestamps may start anywhere, such as at Unix time: the first request is sent at the start. Gaps are the
    waits before each request, the first one's included. Reads a million lines in about a second.

    Args:
        path: The file.
        kind: What the numbers are: ``timestamps`` or ``gaps``.
        flag: The option that named the file, for messages; the one for ``kind`` is it with ``-format`` behind.

    Raises:
        UsageError: It cannot be read, holds no number, or one that is not a time; it names the line.
    """
    if kind not in TRACE_FORMATS:
        raise UsageError(f"{flag}-format: {kind!r} is unknown; use {' or '.join(TRACE_FORMATS)}")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{flag}: cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    words = [line.partition("#")[0].strip() for line in lines]
    try:
        return Trace.of(str(path), _arrivals(words, kind, flag))
    except ValueError as error:
        raise UsageError(f"{flag}: {path}: {error}") from None


def _arrivals(words: list[str], kind: TraceFormat, flag: str) -> NDArray[np.float64]:
    """Seconds from the start; raises `ValueError` that names the line at fault."""
    values = _numbers(words)
    if not len(values):
        raise ValueError("holds no number; write one a line, in seconds")
    wrong = ~np.isfinite(values) | (values < 0)
    if wrong.any():
        line, text = _nth(words, int(np.argmax(wrong)))
        raise ValueError(f"line {line}: {text} is not a time; write seconds of 0 or more")
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


def _numbers(words: list[str]) -> NDArray[np.float64]:
    try:
        return np.array([float(word) for word in words if word])
    except ValueError:
        for line, word in enumerate(words, 1):
            if word and not _is_number(word):
                raise ValueError(f"line {line}: {word[:40]!r} is not a number; write one a line, in seconds") from None
        raise


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _nth(words: list[str], index: int) -> tuple[int, str]:
    """Line number and text of the number with this index."""
    return [(line, word) for line, word in enumerate(words, 1) if word][index]
