"""A load generator in a process of its own, seen from the process that wants the load."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from multiprocessing import Pipe
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from autotune.load._generator import LoadGeneratorFailed
from autotune.load._result import LoadResult
from autotune.load._schedule import check_schedule
from autotune.load._watch import Progress
from autotune.load.worker._messages import ARRAYS, READY, STOP, Job

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

    from autotune.load._schedule import Schedule
    from autotune.load._target import Target
    from autotune.load._watch import Watch

# Isolated mode (-I) keeps the current directory and the environment out; the child gets our own search path.
# multiprocessing's spawn would import the caller's main module again, and with it everything heavy.
_BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[2]);"
    " from autotune.load.worker._process import main; main(int(sys.argv[1]))"
)
_ANSWER_GRACE_S = 15.0
_EXIT_GRACE_S = 2.0
_LAST_WORDS_BYTES = 2000


class WorkerGenerator:
    """Runs the generator of a target in a persistent child process; see `autotune.load.LoadGenerator`.

    The child starts with the constructor (which does not wait for it) and ends with `close`, or with this
    process, however that ends. It is started afresh after a run that was interrupted or that killed it.

    Not safe for concurrent use by several threads.
    """

    def __init__(self, target: Target) -> None:
        self.protocol = target.protocol
        self._target = target
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection[Any, Any]
        self._stderr: IO[bytes]
        self._closed = False
        self._silent_after = 0.0
        self._start()

    def run(self, schedule: Schedule, duration_s: float, timeout_s: float, watch: Watch | None = None) -> LoadResult:
        """Offers ``schedule``; see `autotune.load.LoadGenerator.run`.

        Raises:
            LoadGeneratorFailed: The child died or does not answer.
        """
        check_schedule(schedule, duration_s)
        self.begin(Job.watched(schedule, duration_s, timeout_s, watch))
        while isinstance(report := self.receive(), Progress):
            if watch is not None and watch.on_progress(report):
                self.stop()
        return report

    def wait_ready(self) -> None:
        """Waits until the child takes jobs: it starts up within some tenths of a second.

        Raises:
            LoadGeneratorFailed: The child died or does not answer.
        """
        self._silent_after = time.monotonic() + _ANSWER_GRACE_S
        with self._talking():
            self._connection.send(READY)
            self._answer()

    def begin(self, job: Job) -> None:
        """Starts a window without waiting for its end; `receive` then returns what the child reports.

        Raises:
            LoadGeneratorFailed: The child died.
        """
        if self._closed:
            raise LoadGeneratorFailed("the load generator was closed; create another one")
        if self._process is None:
            self._start()
        waiting_s = max(0.0, job.start_at - time.perf_counter())
        self._silent_after = time.monotonic() + waiting_s + job.duration_s + job.timeout_s + _ANSWER_GRACE_S
        with self._talking():
            self._connection.send(job)

    def receive(self) -> Progress | LoadResult:
        """The next report on the window that `begin` started: progress, and at the end its result.

        Raises:
            LoadGeneratorFailed: The child died, failed or does not answer.
        """
        with self._talking():
            answer = self._answer()
            return answer if isinstance(answer, Progress) else self._result(answer)

    def _answer(self) -> Any:
        if not self._connection.poll(max(0.0, self.silent_after - time.monotonic())):
            self._kill()
            raise LoadGeneratorFailed(
                f"the load generator did not answer within {_ANSWER_GRACE_S:g} s of when it should have;"
                " is the machine overloaded?"
            )
        return self._connection.recv()

    def stop(self) -> None:
        """Ends the window under way early; its result is still to be received."""
        with self._talking():
            self._connection.send(STOP)

    @property
    def silent_after(self) -> float:
        """When to give up a child that does not answer, in seconds of CLOCK_MONOTONIC."""
        return self._silent_after

    @property
    def connection(self) -> Connection[Any, Any]:
        """The pipe to the child, to wait for several at once."""
        return self._connection

    def close(self) -> None:
        """Ends the child process; safe to call twice."""
        self._closed = True
        if self._process is None:
            return
        with contextlib.suppress(OSError):
            self._connection.send(None)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_EXIT_GRACE_S)
        self._kill()

    @property
    def pids(self) -> tuple[int, ...]:
        """The child's process id, while there is one."""
        return (self._process.pid,) if self._process else ()

    def _start(self) -> None:
        ours, theirs = Pipe()
        package_parent = str(Path(__file__).resolve().parents[3])
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _BOOT, str(theirs.fileno()), json.dumps([*sys.path, package_parent])],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._stderr,
                start_new_session=True,  # Ctrl-C in the terminal is for this process alone
            )
        self._connection = ours
        with contextlib.suppress(OSError):  # a child that died at once is noticed by the first run
            ours.send(self._target.for_one_generator())

    def _result(self, answer: tuple[dict[str, Any], int, tuple[str, ...]] | str) -> LoadResult:
        if isinstance(answer, str):
            raise LoadGeneratorFailed(f"the load generator failed: {answer}")
        fields, requests, arrays = answer
        for name in arrays:
            values = np.empty(requests, ARRAYS[name])
            if requests:
                self._connection.recv_bytes_into(values)
            fields[name] = values
        return LoadResult(**fields)

    @contextlib.contextmanager
    def _talking(self) -> Iterator[None]:
        """Ends a child that died, or that is interrupted between question and answer: its next answer would belong
        to the earlier question.
        """
        try:
            yield
        except (EOFError, OSError) as error:
            message = f"the load generator's process died{_last_words(self._process, self._stderr)}"
            self._kill()
            raise LoadGeneratorFailed(message) from error
        except LoadGeneratorFailed:
            raise
        except BaseException:
            self._kill()
            raise

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self._connection.close()
            self._stderr.close()


def _last_words(process: subprocess.Popen[bytes] | None, stderr: IO[bytes]) -> str:
    """How a process that is ending ended, and the last line it wrote."""
    if process is None:
        return ""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_EXIT_GRACE_S)
    size = stderr.seek(0, os.SEEK_END)
    stderr.seek(max(0, size - _LAST_WORDS_BYTES))
    lines = stderr.read().decode("utf-8", "replace").strip().splitlines()
    code = process.returncode
    cause = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
    return f" ({cause}){': ' + lines[-1] if lines else ''}"
