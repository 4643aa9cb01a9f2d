"""A load generator in a process of its own, seen from the process that wants the load."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from multiprocessing import Pipe
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from autotune.load._schedule import check_schedule
from autotune.load._types import LoadGeneratorFailed, LoadResult, Schedule

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from autotune.load._target import Target

# Isolated mode (-I) keeps the current directory and the environment out; the child gets our own search path.
# multiprocessing's spawn would import the caller's main module again, and with it everything heavy.
_BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[2]);"
    " from autotune.load._worker_process import main; main(int(sys.argv[1]))"
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
        self._start()

    def run(self, schedule: Schedule, duration_s: float, timeout_s: float) -> LoadResult:
        """Offers ``schedule``; see `autotune.load.LoadGenerator.run`.

        Raises:
            LoadGeneratorFailed: The child died or does not answer.
        """
        check_schedule(schedule, duration_s)
        if self._closed:
            raise LoadGeneratorFailed("the load generator was closed; create another one")
        if self._process is None:
            self._start()
        try:
            self._connection.send((schedule, duration_s, timeout_s))
            if not self._connection.poll(duration_s + timeout_s + _ANSWER_GRACE_S):
                raise LoadGeneratorFailed(
                    f"the load generator did not answer within {_ANSWER_GRACE_S:g} s of its window's end;"
                    " is the machine overloaded?"
                )
            return self._receive()
        except (EOFError, OSError) as error:
            message = f"the load generator's process died{_last_words(self._process, self._stderr)}"
            self._kill()
            raise LoadGeneratorFailed(message) from error
        except BaseException:
            # Interrupted between question and answer: the child's next answer would be to this question.
            self._kill()
            raise

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
    def pid(self) -> int | None:
        """The child's process id; None when there is none."""
        return self._process.pid if self._process else None

    def _start(self) -> None:
        ours, theirs = Pipe()
        package_parent = str(Path(__file__).resolve().parents[2])
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
            ours.send(self._target)

    def _receive(self) -> LoadResult:
        fields: dict[str, Any] | str = self._connection.recv()
        if isinstance(fields, str):
            raise LoadGeneratorFailed(f"the load generator failed: {fields}")
        for name in ("scheduled_s", "latency_s", "lateness_s"):
            values = np.empty(fields["requests"], np.float64)
            if len(values):
                self._connection.recv_bytes_into(values)
            fields[name] = values
        del fields["requests"]
        return LoadResult(**fields)

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
