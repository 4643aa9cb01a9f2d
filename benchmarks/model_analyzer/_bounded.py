"""A command with a time limit, ended together with everything that it started.

Model Analyzer starts Triton and perf_analyzer in sessions of their own and leaves them running when it is ended
itself, so neither its process group nor the tree below it is enough to find them by. Its whole offspring carries an
environment variable that no other process has.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

MARK = "AUTOTUNE_BENCHMARK_COMMAND"
_GONE_WITHIN_S = 20.0


@dataclass(frozen=True)
class Ended:
    """How a command went.

    Attributes:
        seconds: Wall time until it had ended, or until the limit.
        returncode: Its exit code, negative for a signal; None where it ran past the limit and was ended.
        left_behind: Processes that it had started and that were still running then; they were ended.
    """

    seconds: float
    returncode: int | None
    left_behind: int


def run_bounded(
    command: Sequence[str], output: Path, limit_s: float, *, errors: Path | None = None, cwd: Path | None = None
) -> Ended:
    """Runs ``command`` for at most ``limit_s``; whatever it started is gone afterwards.

    Args:
        command: The command line.
        output: Where its standard output goes.
        limit_s: Seconds of wall time.
        errors: Where its standard error goes; with the output where left out.
        cwd: Its working directory.

    Raises:
        OSError: It cannot be started.
    """
    token = uuid.uuid4().hex
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(output.open("wb"))
        err = stack.enter_context(errors.open("wb")) if errors else subprocess.STDOUT
        try:
            process = subprocess.Popen(
                list(command),
                cwd=cwd,
                env=_environment(token),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
            returncode: int | None = None
            with contextlib.suppress(subprocess.TimeoutExpired):
                returncode = process.wait(limit_s)
            seconds = time.monotonic() - started
            left = sum(each.pid != process.pid for each in _marked(token))
        finally:
            _end_marked(token)
        process.wait()
    return Ended(seconds, returncode, left)


def _environment(token: str) -> Mapping[str, str]:
    """Ours with the mark, without the options of autotune that a person may have set there."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AUTOTUNE_")}
    return {**kept, MARK: token}


def _end_marked(token: str) -> None:
    """Kills what carries the mark until nothing does: one of them may have been starting another."""
    deadline = time.monotonic() + _GONE_WITHIN_S
    while processes := list(_marked(token)):
        if time.monotonic() > deadline:
            raise RuntimeError(f"processes that do not end: {[process.pid for process in processes]}")
        for process in processes:
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
        psutil.wait_procs(processes, timeout=1.0)


def _marked(token: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            ended = process.status() == psutil.STATUS_ZOMBIE
            if not ended and process.environ().get(MARK) == token:
                yield process
        except (psutil.Error, OSError):  # ended meanwhile, or another person's
            continue
