"""Processes that were killed end a moment later, or stay zombies where nobody waits for them."""

from __future__ import annotations

import time

import psutil


def ends(pid: int, within_s: float = 5.0) -> bool:
    """Whether a process is gone, or a zombie, by then."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False
