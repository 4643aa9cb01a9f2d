"""The requests of one run from perf_analyzer's profile export, read while it is written.

The export repeats every input and output value of every request as JSON: hundreds of megabytes for a few seconds of a
small network. Only the timestamps matter, so the text is scanned in pieces and never held or parsed as a whole.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Quotes within string values are escaped, so these cannot occur there. A tensor that is called "timestamp" has no
# 19 digits, which nanoseconds since 1970 have until the year 2286.
_SENT = b'{"timestamp":'
_ANSWERED = b'"response_timestamps":['
_SENT_DIGITS = 19
_BOUNDARIES = re.compile(rb'"window_boundaries":\[(?P<numbers>[\d,]+)\]')
_END_BYTES = 4096  # what follows the requests: the boundaries, version and service kind


@dataclass(frozen=True)
class Export:
    """The requests that were answered within the windows.

    Attributes:
        sent_ns: When each was sent, in nanoseconds of CLOCK_REALTIME, ascending, shape (n,).
        answered_ns: When its last response came, shape (n,).
        windows_ns: Where the windows began and ended, ascending: k windows back to back have k + 1.
    """

    sent_ns: NDArray[np.int64]
    answered_ns: NDArray[np.int64]
    windows_ns: NDArray[np.int64]


class ExportScanner:
    """Takes the text in pieces as they come: a request's send time, then its responses' times, and so on."""

    def __init__(self) -> None:
        self._text = b""
        self._end = b""
        self._sent_ns = 0  # of the request whose responses' times come next
        self._sent = array("q")
        self._answered = array("q")

    def feed(self, piece: bytes) -> None:
        """Scans the next piece."""
        self._end = (self._end + piece)[-_END_BYTES:]
        self._text += piece
        position = 0
        while (following := self._next(position)) is not None:
            position = following
        self._text = self._text[position:]

    def _next(self, position: int) -> int | None:
        """Takes the next token; where to go on after it, None where it has not come yet."""
        text = self._text
        token, closing = (_ANSWERED, b"]") if self._sent_ns else (_SENT, b",")
        found = text.find(token, position)
        if found < 0:
            # What cannot be the start of one any more is not searched again.
            kept = len(text) - len(token) + 1
            return kept if kept > position else None
        start = found + len(token)
        end = text.find(closing, start)
        if end < 0:
            return found if found > position else None
        numbers = text[start:end]
        if not self._sent_ns:
            if len(numbers) == _SENT_DIGITS and numbers.isdigit():
                self._sent_ns = int(numbers)
            return start
        if numbers:
            self._sent.append(self._sent_ns)
            self._answered.append(int(numbers.rpartition(b",")[2]))
        self._sent_ns = 0
        return end

    def export(self) -> Export | None:
        """The requests read; None if the end is missing, which perf_analyzer leaves out when it meets a NaN."""
        boundaries = _BOUNDARIES.search(self._end)
        windows = sorted(int(number) for number in boundaries["numbers"].split(b",")) if boundaries else []
        if len(windows) < 2:
            return None
        sent, answered = np.array(self._sent, np.int64), np.array(self._answered, np.int64)
        order = np.argsort(sent, kind="stable")
        return Export(sent[order], answered[order], np.array(windows, np.int64))
