"""A server process and all that it starts. Nothing of it outlives this process, and none is left after a stop."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from autotune.server import _keeper
from autotune.server._uninterrupted import uninterrupted

_ENDS_WITHIN_S = 5.0
_first_start: list[float] = []


class ServerProcess:
    """A server below a keeper (`_keeper`), with its output in a file.

    The keeper kills the server and everything that it started, and removes what they left, when this process stops the
    server or is gone: an aborted study leaves nothing.
    """

    def __init__(self, log_path: Path) -> None:
        self._log_path = log_path
        self._keeper: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._said = b""
        self._pid: int | None = None
        self._code: int | None = None
        self._lock = threading.Lock()

    def start(
        self, command: Sequence[str], environment: Mapping[str, str], *, directory: Path | None = None, prefix: str = ""
    ) -> None:
        """Starts ``command``; raises `OSError` if that is impossible.

        Args:
            command: The server and its arguments.
            environment: All of its environment.
            directory: Removed after the end.
            prefix: Shared memory whose name starts with it is removed after the end.
        """
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        self._said, self._pid, self._code = b"", None, None
        _first_start.append(time.time())
        script = [sys.executable, "-I", "-S", _keeper.__file__]
        # An interruption here would leave a process that nothing stops.
        with self._log_path.open("wb") as log, uninterrupted():
            self._control, theirs = socket.socketpair()
            with theirs:
                kept = [str(theirs.fileno()), str(_first_start[0]), str(directory or ""), prefix]
                self._keeper = subprocess.Popen(
                    [*script, *kept, *command],
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=[theirs.fileno()],
                )
            del _first_start[1:]
            word, _, number = self._read_line().partition(" ")
        if word == "started":
            self._pid = int(number)
            return
        self.stop(0)
        raise OSError(int(number or 0), os.strerror(int(number)) if number else "it could not be started")

    @property
    def pid(self) -> int | None:
        """The server's process id; None before the start."""
        return self._pid

    def loaded(self) -> None:
        """Tells the keeper that the models are loaded: what the server created for them is there now."""
        if self._control is not None:
            with contextlib.suppress(OSError):  # the keeper was killed, which `returncode` reports
                self._control.sendall(_keeper.READY)

    def returncode(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        with self._lock:
            if self._code is None and self._keeper is not None and self._heard(0):
                word, _, number = self._read_line().partition(" ")
                self._code = int(number) if word == "ended" else self._keeper.wait()
            return self._code

    def stop(self, grace_s: float, *, keep_directory: bool = False) -> None:
        """Stops the process and all that it started. If ``grace_s`` is above zero, asks first and waits that long.

        Its directory is removed unless it is to be kept for the next start. Safe to call before a start and after the
        end.
        """
        keeper, control = self._keeper, self._control
        if keeper is None or control is None:
            return
        if grace_s > 0 and self._pid is not None and self.returncode() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGTERM)
            self._heard(grace_s)
        if self.returncode() is None:
            self._code = -signal.SIGKILL
        with contextlib.suppress(OSError):  # the keeper was killed, and the server with it
            if keep_directory:
                control.sendall(_keeper.KEEP)
            control.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(subprocess.TimeoutExpired):  # the kernel cannot end a process yet: the keeper waits
            keeper.wait(_ENDS_WITHIN_S)
        control.close()
        self._control = None

    def _heard(self, timeout_s: float) -> bool:
        """Whether the keeper says something, or is gone, within this time."""
        return self._control is not None and bool(select.select([self._control], [], [], timeout_s)[0])

    def _read_line(self) -> str:
        """The next thing that the keeper says; empty if it is gone."""
        while b"\n" not in self._said:
            said = self._control.recv(256) if self._control else b""
            if not said:
                return ""
            self._said += said
        line, _, self._said = self._said.partition(b"\n")
        return line.decode()
