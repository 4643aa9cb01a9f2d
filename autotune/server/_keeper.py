"""Runs a server as a child and leaves nothing of it, also if the process that asked for the server is killed.

This file is run as a script, ``python -I -S _keeper.py FD SINCE DIRECTORY PREFIX COMMAND...``. It uses the standard
library only, so that it starts in milliseconds. It stands in its own session, which no signal of a terminal reaches.
``FD`` is a socket to the process that started it, the parent; the server is killed when the parent says so or is gone.

Everything that a server starts stays below its keeper: the kernel hands it the children of ended processes (it is
their "subreaper"), so that a daemon of a model cannot escape. The keeper ends last and removes what the server left.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import sys
import time

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_CLOCK_MARGIN_S = 1.0  # a process's start is known to 10 ms; the rest is a margin for a clock that was set
READY = b"ready"
"""What the parent says once the server has loaded its models."""
KEEP = b"keep"
"""What the parent says if it wants to start another server in the same directory."""
_ENVIRONMENT = "python_env_"
_NOT_FOR_ME = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
_PYTHON_BACKEND = "libtriton_python.so"


def main(arguments: list[str]) -> None:
    """Starts the command, reports its id and its end, and returns when nothing of it runs any more."""
    for each in _NOT_FOR_ME:  # whoever wants this to end closes the socket
        signal.signal(each, signal.SIG_IGN)
    fd, since, directory, prefix, *command = arguments
    control = socket.socket(fileno=int(fd))
    os.set_inheritable(control.fileno(), False)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    woken = _wake_on_child()
    before = set(_environments())
    server, error = _start(command, libc)
    _send(control, f"failed {error}\n" if error else f"started {server}\n")
    asked, own = None, ""
    while asked in (None, READY) and not error:
        asked = _wait(control, woken)
        if asked and READY in asked:
            own = _own_environment(server, before)
        for pid, status in _reap():
            if pid == server:  # the rest of it ends now; its parent says later that it noticed
                _send(control, f"ended {os.waitstatus_to_exitcode(status)}\n")
                _kill_all()
    _kill_all()
    remove_environments([own, *dead_environments(float(since))])
    _remove("" if error or (asked and KEEP in asked) else directory, prefix)


def dead_environments(since: float, directory: str = "/tmp") -> list[str]:  # noqa: S108 - Triton's, not ours
    """The empty ``python_env_*`` directories that killed servers of this user left.

    Triton 2.51's Python backend creates one when it is loaded and removes it when it is unloaded. A directory is left
    out if a server that runs now may have created it, that is if the server was started earlier.

    Args:
        since: Only directories created at or after this time (Unix time, s).
        directory: Where Triton creates them.
    """
    created = {}
    for path in _environments(directory):
        try:
            status = os.stat(path)
            mine = status.st_uid == os.getuid() and status.st_ctime >= since - _CLOCK_MARGIN_S
            if mine and not os.listdir(path):
                created[path] = status.st_ctime
        except OSError:  # removed meanwhile
            continue
    earliest = min(_live_servers(), default=float("inf")) - _CLOCK_MARGIN_S if created else 0
    return [path for path, at in created.items() if at < earliest]


def remove_environments(paths: list[str]) -> None:
    """Removes directories that are still empty."""
    for path in paths:
        try:
            os.rmdir(path)
        except OSError:
            continue


def _environments(directory: str = "/tmp") -> list[str]:  # noqa: S108
    with os.scandir(directory) as entries:
        return [each.path for each in entries if each.name.startswith(_ENVIRONMENT) and each.is_dir()]


def _own_environment(server: int, before: set[str]) -> str:
    """The directory that the server created; empty if it has none, or if other servers started with it."""
    new = [path for path in _environments() if path not in before]
    try:
        with open(f"/proc/{server}/maps") as file:
            return new[0] if len(new) == 1 and _PYTHON_BACKEND in file.read() else ""
    except OSError:
        return ""


def _live_servers() -> list[float]:
    """When each process of this user that has Triton's Python backend loaded was started (Unix time, s)."""
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    starts = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat") as file:
                head, _, rest = file.read().rpartition(")")
            is_server = head.partition("(")[2] == "tritonserver"
            if not is_server and os.stat(f"/proc/{name}").st_uid == os.getuid():
                with open(f"/proc/{name}/maps") as file:
                    is_server = _PYTHON_BACKEND in file.read()
        except OSError:  # it ended, or may not be looked into
            continue
        if is_server and rest.split()[0] not in "ZX":
            starts.append(booted + int(rest.split()[19]) / os.sysconf("SC_CLK_TCK"))
    return starts


def _wake_on_child() -> int:
    """A descriptor that becomes readable when a child ends."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    os.set_blocking(reading, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    return reading


def _start(command: list[str], libc: ctypes.CDLL) -> tuple[int, int]:
    """The new process's id, and the error's number or 0."""
    keeper = os.getpid()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != keeper:
                os._exit(1)
            for each in (signal.SIGPIPE, signal.SIGXFSZ, *_NOT_FOR_ME):  # children inherit what is ignored
                signal.signal(each, signal.SIG_DFL)
            os.execvp(command[0], command)  # noqa: S606 - no shell, on purpose
        except OSError as error:
            os.write(writing, str(error.errno).encode())
        finally:
            os._exit(127)
    os.close(writing)
    failed = os.read(reading, 16)
    os.close(reading)
    return pid, int(failed or 0)


def _wait(control: socket.socket, woken: int) -> bytes | None:
    """Waits until a child ends (None) or the parent speaks; empty if it is gone or closed the socket."""
    ready = select.select([control.fileno(), woken], [], [])[0]
    if control.fileno() in ready:
        return control.recv(64)
    os.read(woken, 4096)
    return None


def _reap() -> list[tuple[int, int]]:
    ended: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended.append((pid, status))


def _kill_all() -> None:
    """Kills all children until there are none; those of killed ones become children of the keeper."""
    while True:
        for pid in _children():
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    me = os.getpid()
    try:
        with open(f"/proc/self/task/{me}/children") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:  # a kernel without CONFIG_PROC_CHILDREN
        found = []
        for name in os.listdir("/proc"):
            try:
                with open(f"/proc/{int(name)}/stat") as file:
                    parent = file.read().rpartition(")")[2].split()[1]
            except (OSError, ValueError):
                continue
            if int(parent) == me:
                found.append(int(name))
        return found


def _remove(directory: str, prefix: str) -> None:
    """Removes what the server left; an empty ``directory`` or ``prefix`` names nothing."""
    for name in os.listdir("/dev/shm") if prefix else ():  # noqa: S108 - where POSIX shared memory lives on Linux
        if name.startswith(prefix):
            try:
                os.unlink(f"/dev/shm/{name}")  # noqa: S108
            except OSError:
                continue
    if directory:
        import shutil

        shutil.rmtree(directory, ignore_errors=True)


def _send(control: socket.socket, line: str) -> None:
    try:
        control.sendall(line.encode())
    except OSError:  # the other end is gone, which the next read shows
        return


if __name__ == "__main__":
    main(sys.argv[1:])
