"""The child process that hosts a load generator: runs schedules, answers with results."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import resource
import select
import signal
import threading
import time
from dataclasses import fields
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from autotune.load._generators import generator_in_this_process
from autotune.load._watch import Progress, Watch
from autotune.load.worker._messages import ARRAYS, READY, STOP

if TYPE_CHECKING:
    from autotune.load._generator import LoadGenerator
    from autotune.load._result import LoadResult
    from autotune.load.worker._messages import Job

_PR_SET_TIMERSLACK = 29
_TIMER_SLACK_NS = 1000
_REAL_TIME_PRIORITY = 1  # the lowest
_PRIORITY = -10
# More than the connections of a window and what else is open.
_DESCRIPTORS = 2048


def main(fd: int) -> None:
    """Serves the other end of the socket pair ``fd`` until it says None or goes away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _prepare_process()
    _die_with(fd)
    connection: Connection[Any, Any] = Connection(fd)
    with contextlib.suppress(EOFError, ConnectionError):
        generator = generator_in_this_process(connection.recv())
        while (job := connection.recv()) is not None:
            if job == READY:
                connection.send(READY)
            elif job != STOP:  # for a run that had ended by itself
                _serve(connection, generator, job)
        generator.close()


def _serve(connection: Connection[Any, Any], generator: LoadGenerator, job: Job) -> None:
    def on_progress(progress: Progress) -> bool:
        connection.send(progress)
        return connection.poll() and connection.recv() == STOP

    watch = None
    if job.limits_s is not None:
        watch = Watch(job.limits_s, on_progress, job.first_limits_s, job.streams)
    try:
        time.sleep(max(0.0, job.start_at - time.perf_counter()))
        result = generator.run(job.schedule, job.duration_s, job.timeout_s, watch)
    except Exception as error:
        connection.send(f"{type(error).__name__}: {error}")
        return
    arrays = {name: values for name in ARRAYS if (values := getattr(result, name)) is not None}
    connection.send((_fields(result), result.requests, tuple(arrays)))
    if result.requests:
        for values in arrays.values():
            connection.send_bytes(values.data)


def _fields(result: LoadResult) -> dict[str, Any]:
    """All of a result but its arrays, which are sent as raw memory, without a copy by pickle."""
    values = {field.name: getattr(result, field.name) for field in fields(result) if field.name not in ARRAYS}
    return {**values, "real_time": os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_RR}


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
    """Room for as many connections as the system allows, timers that end when they should, and its turn at once.

    Linux lets the table of file descriptors grow by doubling, and makes a process of several threads wait for
    milliseconds each time, in the middle of the window that opens one connection too many. It is grown beforehand.

    A client that waits for a core behind the server it measures sends late: with real-time priority it never does,
    with a raised ordinary one it may wait until the server's time slice ends. Both need a privilege
    (``CAP_SYS_NICE``); others do without.
    """
    with contextlib.suppress(OSError, ValueError):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with contextlib.suppress(OSError):
        allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = _DESCRIPTORS if allowed == resource.RLIM_INFINITY else min(allowed, _DESCRIPTORS)
        os.close(fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, most - 1))
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(_REAL_TIME_PRIORITY))
    except OSError:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, _TIMER_SLACK_NS, 0, 0, 0)
