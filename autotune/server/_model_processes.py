"""The Python backend's processes of a running server: notices at once when one dies.

Triton does not restart such a process and keeps calling the model ready. Its requests fail about a second later with
"Stub process ... is not healthy".
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from autotune.environment import MemoryKills, process_tree
from autotune.server._control import ControlError
from autotune.server._reason import exit_text
from autotune.server._types import ModelCrashed, ModelStatistics

_STUB = "triton_python_backend_stub"
# Triton 2.51 waits 1 s for a dead process before it fails the batch; the rest is a margin for a busy machine.
_FAILS_WITHIN_S = 2.5
_POLL_S = 0.002
_SIGKILL = -9


class ModelProcesses:
    """Watches a server's Python backend processes in a thread that sleeps until one of them dies.

    Args:
        server_pid: The server's process.
        model: The model that clients ask.
        statistics: A model's statistics by its name.
        kills: The kernel's count of kills for lack of memory, since the server's start.
        remedy: What to do about a lack of memory; empty if unknown.
    """

    def __init__(
        self,
        server_pid: int,
        model: str,
        statistics: Callable[[str], ModelStatistics],
        kills: MemoryKills,
        remedy: str = "",
    ) -> None:
        self._model = model
        self._statistics = statistics
        self._kills = kills
        self._remedy = remedy
        self._died = threading.Event()
        self._crash: ModelCrashed | None = None
        self._closing = os.eventfd(0)
        self._models: dict[int, tuple[int, str]] = {}  # file descriptor -> process id and model
        for process in process_tree(server_pid):
            self._add(process)
        self._thread = threading.Thread(target=self._watch, name="model processes", daemon=True)
        self._thread.start()

    @property
    def died(self) -> bool:
        """Whether a process has died."""
        return self._died.is_set()

    def check(self) -> None:
        """Raises `ModelCrashed` if a process has died; waits up to 2.5 s for the batch at which it did."""
        if self.died:
            self._thread.join()
            if self._crash is not None:
                raise self._crash

    def close(self) -> None:
        """Ends the watch."""
        os.eventfd_write(self._closing, 1)
        self._thread.join()
        for descriptor in (self._closing, *self._models):
            os.close(descriptor)

    def _add(self, process: psutil.Process) -> None:
        try:
            command = process.cmdline()
            if not command or Path(command[0]).name != _STUB:
                return
            descriptor = os.pidfd_open(process.pid)
        except (psutil.Error, OSError):  # it ended, or the kernel is older than 5.3
            return
        # Its first argument is .../MODEL/VERSION/model.py, or the file of a backend that is written in Python.
        parts = Path(command[1]).parts if len(command) > 1 else ()
        own = len(parts) > 2 and parts[-2].isdigit()
        self._models[descriptor] = process.pid, parts[-3] if own else self._model

    def _watch(self) -> None:
        poll = select.poll()
        for descriptor in (self._closing, *self._models):
            poll.register(descriptor, select.POLLIN)
        ended = [descriptor for descriptor, _ in poll.poll() if descriptor != self._closing]
        if not ended:
            return
        self._died.set()
        pid, model = self._models[ended[0]]
        code = _exit_code(pid)
        out_of_memory = code == _SIGKILL and self._kills.happened
        self._crash = ModelCrashed(
            model,
            self._how(code, out_of_memory),
            requests=self._failed_requests(model),
            out_of_memory=out_of_memory,
        )

    def _how(self, code: int | None, out_of_memory: bool) -> str:
        if not out_of_memory:
            return "exit code unknown" if code is None else exit_text(code)
        limit = self._kills.limit_bytes
        limited = f" at a limit of {limit >> 20} MiB" if limit else ""
        return "; ".join(part for part in (f"out of memory{limited}", self._remedy) if part)

    def _failed_requests(self, model: str) -> int | None:
        """Requests in the batch that the process left unanswered; None if nothing failed in time.

        Triton counts them as failed together, once it misses the process. They are in no other statistic.
        """
        deadline = time.monotonic() + _FAILS_WITHIN_S
        try:
            before = self._statistics(model).fail_count
            while time.monotonic() < deadline:
                if self._statistics(model).fail_count > before:
                    time.sleep(_POLL_S)  # they fail one right after the other
                    return self._statistics(model).fail_count - before
                if self._is_closing(_POLL_S):
                    break
        except ControlError:  # the server is gone as well: whoever asks it is told why
            return None
        return None

    def _is_closing(self, wait_s: float) -> bool:
        return bool(select.select([self._closing], [], [], wait_s)[0])


def _exit_code(pid: int) -> int | None:
    """How a process that its parent has not waited for ended: its exit code, negative for a signal; None if unknown.

    The kernel shows 0 to those who may not trace the process, so 0 says nothing.
    """
    try:
        status = int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[-1])
    except (OSError, ValueError):
        return None
    return os.waitstatus_to_exitcode(status) or None
