"""perf_analyzer as a child process: bounded in time and memory, its export read and its CPU time followed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil

from autotune.load.perf_analyzer._command import EXPORT, REPORT
from autotune.load.perf_analyzer._export import ExportScanner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_SAMPLE_S = 0.05
_PIPE_BYTES = 1 << 20
_SETTLED_S = 0.3
_LONGEST_TEXT = 1 << 20


@dataclass(frozen=True)
class Ended:
    """How a run of the process went.

    Attributes:
        returncode: Its exit code, negative for a signal; None where it was ended here.
        cause: Why it was ended here: ``load`` or ``export`` took too long, or ``memory``; empty where it ended by
            itself.
        stdout: What it printed.
        stderr: What it complained about.
        scanner: What it exported.
        sampled_s: When its CPU time was read, in seconds of CLOCK_REALTIME, shape (n,).
        cpu_s: CPU seconds (user + system) that it had used by then, shape (n,).
    """

    returncode: int | None
    cause: str
    stdout: str
    stderr: str
    scanner: ExportScanner
    sampled_s: NDArray[np.float64]
    cpu_s: NDArray[np.float64]

    def cpu_between(self, from_s: float, to_s: float) -> float:
        """CPU seconds used between two times of CLOCK_REALTIME, interpolated."""
        if not len(self.sampled_s):
            return 0.0
        before, after = np.interp([from_s, to_s], self.sampled_s, self.cpu_s)
        return float(after - before)


def run_bounded(command: Sequence[str], directory: Path, load_limit_s: float, export_limit_s: float) -> Ended:
    """Runs ``command`` in ``directory``, in a process group of its own, until it ends or must be ended.

    It may take ``load_limit_s`` until it has written its report, and ``export_limit_s`` from then on.

    The export goes through a named pipe, since it may be larger than the disk has room for. The process is ended
    when it takes more than half of the memory that was free, because it keeps every value of every request.

    Raises:
        OSError: It cannot be started.
    """
    pipe_path = directory / EXPORT
    os.mkfifo(pipe_path)
    out_path, err_path = directory / "stdout", directory / "stderr"
    pipe = os.open(pipe_path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with contextlib.suppress(OSError):  # an unprivileged user may have used up the room for pipes
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        with out_path.open("wb") as out, err_path.open("wb") as err:
            process = subprocess.Popen(
                list(command), cwd=directory, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
            )
        following = _Following(process, pipe, directory / REPORT, load_limit_s, export_limit_s)
        try:
            cause = following.until_ended()
        finally:
            _kill_group(process)
    finally:
        os.close(pipe)
    return Ended(
        returncode=None if cause else process.returncode,
        cause=cause,
        stdout=_text(out_path),
        stderr=_text(err_path),
        scanner=following.scanner,
        sampled_s=np.array(following.sampled_s, np.float64),
        cpu_s=np.array(following.cpu_s, np.float64),
    )


class _Following:
    """Reads the export and takes samples until the process ends or must be ended."""

    def __init__(
        self, process: subprocess.Popen[bytes], pipe: int, report: Path, load_limit_s: float, export_limit_s: float
    ) -> None:
        self.scanner = ExportScanner()
        self.sampled_s: list[float] = []
        self.cpu_s: list[float] = []
        self._process = process
        self._pipe = pipe
        self._started = time.monotonic()
        self._deadline = self._started + load_limit_s
        self._export_limit_s = export_limit_s
        self._report = report
        self._exporting = False
        self._memory_limit = psutil.virtual_memory().available / 2
        self._family: list[psutil.Process] = []
        self._settled = False

    def until_ended(self) -> str:
        """Why the process must be ended; empty once it has ended by itself."""
        poll = select.poll()
        poll.register(self._pipe, select.POLLIN)
        next_sample = 0.0
        while True:
            ended = self._process.poll() is not None
            now = time.monotonic()
            if now >= next_sample and not ended:
                next_sample = now + _SAMPLE_S
                if self._sample(now) > self._memory_limit:
                    return "memory"
                if not self._exporting and self._report.exists():
                    self._exporting = True
                    self._deadline = now + self._export_limit_s
            if now > self._deadline and not ended:
                return "export" if self._exporting else "load"
            ready = poll.poll(0 if ended else max(1, int((next_sample - now) * 1e3)))
            if not (ready and self._read()):
                if ended:
                    return ""
                if ready:  # the writer has closed it, the end of the process is near
                    poll.unregister(self._pipe)

    def _read(self) -> bool:
        """Whether a piece of the export was read."""
        try:
            piece = os.read(self._pipe, _PIPE_BYTES)
        except BlockingIOError:
            return True
        self.scanner.feed(piece)
        return bool(piece)

    def _sample(self, now: float) -> float:
        """Notes the CPU time; gives the memory in use, in bytes.

        What is started may be a script that starts perf_analyzer; by `_SETTLED_S` it will have.
        """
        if not self._settled:
            self._settled = now - self._started > _SETTLED_S
            with contextlib.suppress(psutil.Error):
                leader = psutil.Process(self._process.pid)
                self._family = [leader, *leader.children(recursive=True)]
        cpu_s = memory = 0.0
        try:
            for member in self._family:
                cpu_s += time.clock_gettime(_cpu_clock(member.pid))
                memory += member.memory_info().rss
        except (psutil.Error, OSError):  # it has ended meanwhile
            return 0.0
        self.sampled_s.append(time.time())
        self.cpu_s.append(cpu_s)
        return memory


def _cpu_clock(pid: int) -> int:
    """The number of the clock of a process's CPU time, which has nanoseconds where /proc has 10 ms: as glibc's
    ``clock_getcpuclockid`` makes it, for which Python has no function.
    """
    return (~pid << 3) | 2


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Ends the process and the processes it started, if it has not ended by itself."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _text(path: Path) -> str:
    """The first part of a file that may be long: a warning may have been printed for every request."""
    with path.open("rb") as file:
        return file.read(_LONGEST_TEXT).decode("utf-8", "replace")
