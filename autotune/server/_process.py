"""A server process and its children. They die with this process, and none is left after a stop."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from autotune.server._uninterrupted import uninterrupted

_PR_SET_PDEATHSIG = 1
# Loaded now, because a forked child should not load libraries.
_libc = ctypes.CDLL(None, use_errno=True)


class ServerProcess:
    """A child process in its own session, with its output in a file.

    The kernel kills it when the thread that started it ends, so an aborted study leaves no server. Most of Triton's
    Python stubs then end by themselves; `remove_orphans` ends the others.
    """

    def __init__(self, log_path: Path) -> None:
        self._log_path = log_path
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Starts ``command``; raises `OSError` if that is impossible."""
        parent = os.getpid()

        def die_with_parent() -> None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # the parent died meanwhile
                os._exit(1)

        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        # An interruption here would leave a process that nothing stops.
        with self._log_path.open("wb") as log, uninterrupted():
            self._popen = subprocess.Popen(
                list(command),
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - calls prctl only
            )

    @property
    def pid(self) -> int | None:
        """The process id; None before the start."""
        return None if self._popen is None else self._popen.pid

    def returncode(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return None if self._popen is None else self._popen.poll()

    def stop(self, grace_s: float) -> None:
        """Stops the process and all descendants. If ``grace_s`` is above zero, asks first and waits that long.

        Safe to call before a start and after the end.
        """
        popen = self._popen
        if popen is None:
            return
        family = _descendants(popen.pid)
        if grace_s > 0 and popen.poll() is None:
            popen.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                popen.wait(grace_s)
        # The group is empty, or (PermissionError) has only zombies.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(popen.pid, signal.SIGKILL)
        for process in family:
            with contextlib.suppress(psutil.Error):
                process.kill()
        popen.wait()
        _await_end(family, timeout_s=5.0)


def _descendants(pid: int) -> list[psutil.Process]:
    """All descendants. A signal to the process group misses those that left the group."""
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.Error:
        return []


def _await_end(processes: Sequence[psutil.Process], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    for process in processes:
        while _running(process) and time.monotonic() < deadline:
            time.sleep(0.002)


def _running(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
