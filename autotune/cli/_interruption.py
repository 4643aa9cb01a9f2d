"""Ctrl-C, SIGTERM and SIGHUP, so that a run ends with all it measured and no server of its own behind it."""

from __future__ import annotations

import os
import signal
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from autotune.cli._exit_codes import INTERRUPTED_EXIT_CODE

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# `timeout` signals the command and its process group, so that a command gets the signal twice within microseconds.
_TWICE_S = 0.1
_SHOW_CURSOR = b"\x1b[?25h"


class Interruption:
    """Whether a signal asked to end.

    Python drops an exception that is raised inside a finaliser. So the signal is remembered, and `check` raises it
    again at the next safe place. A second Ctrl-C or SIGTERM ends the process at once; the keepers of its servers stop
    these, and the next run removes the rest.
    """

    def __init__(self) -> None:
        self._arrived_at: float | None = None

    def arrive(self, signum: int, frame: FrameType | None) -> None:
        """The signal handler: ends what is being done."""
        if signum == signal.SIGHUP:
            _leave_terminal()
        now = time.monotonic()
        if self._arrived_at is None:
            self._arrived_at = now
            raise KeyboardInterrupt
        if signum != signal.SIGHUP and now - self._arrived_at >= _TWICE_S:
            _stop_at_once()

    def check(self) -> None:
        """Raises KeyboardInterrupt if a signal arrived earlier."""
        if self._arrived_at is not None:
            raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Turns the signals into KeyboardInterrupt until the context is left; not a SIGHUP that `nohup` ignores."""
    interruption = Interruption()
    ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    handled = [signum for signum in _SIGNALS if not (ignored and signum == signal.SIGHUP)]
    previous = {signum: signal.signal(signum, interruption.arrive) for signum in handled}
    try:
        yield interruption
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, handler)


def _leave_terminal() -> None:
    """Discards further output to the terminal: writing to one that was closed fails."""
    for descriptor in (1, 2):
        if stat.S_ISCHR(os.fstat(descriptor).st_mode):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, descriptor)
            os.close(null)


def _stop_at_once() -> None:
    shown = _SHOW_CURSOR if sys.stderr.isatty() else b""
    os.write(2, shown + b"autotune: stopped at once; the next run removes what is left\n")
    os._exit(INTERRUPTED_EXIT_CODE)
