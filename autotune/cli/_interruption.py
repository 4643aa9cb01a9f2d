"""Ctrl-C and SIGTERM, so that a run ends with all it measured and no server of its own behind it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Whether a signal asked to end.

    Python drops an exception that is raised inside a finaliser. So the signal is remembered, and `check` raises it
    again at the next safe place.
    """

    def __init__(self) -> None:
        self._arrived = False

    def arrive(self, signum: int, frame: FrameType | None) -> None:
        """The signal handler: ends what is being done."""
        self._arrived = True
        raise KeyboardInterrupt

    def check(self) -> None:
        """Raises KeyboardInterrupt if a signal arrived earlier."""
        if self._arrived:
            raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Turns SIGINT and SIGTERM into KeyboardInterrupt until the context is left."""
    interruption = Interruption()
    previous = {signum: signal.signal(signum, interruption.arrive) for signum in _SIGNALS}
    try:
        yield interruption
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, handler)
