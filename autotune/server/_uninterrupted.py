"""Defers Ctrl-C during short steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Defers SIGINT, SIGTERM and SIGHUP until the context is left, if Python handles them; for short steps.

    Blocking the signals is not enough: another thread could receive them, and the main thread would run the handler.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread runs handlers
        return
    arrived: list[tuple[int, FrameType | None]] = []
    previous = {signum: signal.getsignal(signum) for signum in _SIGNALS}
    held = [signum for signum, handler in previous.items() if callable(handler)]
    for signum in held:
        signal.signal(signum, lambda number, frame: arrived.append((number, frame)))
    try:
        yield
    finally:
        for signum in held:
            signal.signal(signum, previous[signum])
        for number, frame in arrived[:1]:
            handler = previous[signal.Signals(number)]
            if callable(handler):
                handler(number, frame)
