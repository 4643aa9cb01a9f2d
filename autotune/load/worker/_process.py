"""The child process that hosts a load generator: takes schedules, answers with results."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import select
import signal
import threading
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from autotune.load._generators import generator_in_this_process

if TYPE_CHECKING:
    from autotune.load._types import LoadGenerator, LoadResult

_PR_SET_TIMERSLACK = 29
_TIMER_SLACK_NS = 1000


def main(fd: int) -> None:
    """Serves the other end of the socket pair ``fd`` until it says None or goes away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with(fd)
    _prepare_process()
    connection: Connection[Any, Any] = Connection(fd)
    with contextlib.suppress(EOFError, ConnectionError):
        generator = generator_in_this_process(connection.recv())
        while (job := connection.recv()) is not None:
            _serve(connection, generator, job)
        generator.close()


def _serve(connection: Connection[Any, Any], generator: LoadGenerator, job: tuple[Any, float, float]) -> None:
    try:
        result = generator.run(*job)
    except Exception as error:
        connection.send(f"{type(error).__name__}: {error}")
        return
    connection.send(_fields(result))
    if result.requests:
        for values in (result.scheduled_s, result.latency_s, result.lateness_s):
            connection.send_bytes(values.data)


def _fields(result: LoadResult) -> dict[str, Any]:
    """All of a result but its arrays, which follow as they lie in memory, without a copy by pickle."""
    return {
        "requests": result.requests,
        "schedule": result.schedule,
        "duration_s": result.duration_s,
        "elapsed_s": result.elapsed_s,
        "batch_size": result.batch_size,
        "errors": dict(result.errors),
        "client_cpu_s": result.client_cpu_s,
        "error_example": result.error_example,
    }


def _die_with(fd: int) -> None:
    """Ends this process as soon as the parent's end of the socket pair is gone, in mid-run too.

    PR_SET_PDEATHSIG would kill it when the *thread* that started it ends, not only the process.
    """
    poll = select.poll()
    poll.register(fd, select.POLLRDHUP)

    def watch() -> None:
        poll.poll()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def _prepare_process() -> None:
    """Room for as many connections as the system allows, and timers that end when they should."""
    with contextlib.suppress(OSError, ValueError):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, _TIMER_SLACK_NS, 0, 0, 0)
