"""Sends requests as steps of sequences, and ends the sequences that a window leaves unfinished."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autotune.load._sequences import Sequences
    from autotune.load._transport import Transport


class SequenceSender:
    """A transport's requests as steps of sequences.

    Args:
        transport: What sends them.
        sequences: Those of this window.
    """

    def __init__(self, transport: Transport, sequences: Sequences) -> None:
        self._transport = transport
        self._sequences = sequences

    def begin(self, index: int) -> bool:
        """Begins request ``index`` as the next step of a sequence; False where it has to wait.

        Raises:
            OSError: No connection can be opened.
        """
        step = self._sequences.take(index, time.perf_counter())
        if step is None:
            return False
        begun = False
        try:
            begun = self._transport.begin(index, step)
        finally:
            if not begun:
                self._sequences.put_back(index)
        return begun

    def end(self, *, outstanding: bool) -> int:
        """Begins requests that end sequences; returns how many.

        They are ended at once, not when all answers are there: others may wait for their slots.

        Args:
            outstanding: Whether also those are ended whose requests have no answer yet. A server that is overloaded
                still executes what is given up, and keeps the slots of its sequences. Sent well before, these requests
                are executed after what they end.
        """
        if outstanding:
            self._sequences.end_outstanding()
        count = 0
        while (ending := self._sequences.ending()) is not None:
            begun = False
            with contextlib.suppress(OSError):
                begun = self._transport.begin(*ending)
            if not begun:
                self._sequences.put_back(ending[0])
                break
            count += 1
        if count:
            self._transport.flush()
        return count
