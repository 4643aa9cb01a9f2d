"""Names of this process's shared memory and temporary directories, so that a later process can remove leftovers.

Each name contains the process id and its PID namespace. Containers may share these directories, and there the same id
means another process.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where POSIX shared memory lives on Linux
_NAME = re.compile(r"autotune-(?P<namespace>\d+)-(?P<pid>\d+)-\d+-")
_STUB = "triton_python_backend_stub"
_counter = itertools.count(1)


def pid_namespace() -> str:
    """An id of this process's PID namespace; ``0`` if there is none to see."""
    try:
        return os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        return "0"


def process_alive(pid: int) -> bool:
    """Whether this PID namespace has a process with this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def new_prefix() -> str:
    """A prefix unique to one server: ``autotune-NAMESPACE-PID-N-``."""
    return f"autotune-{pid_namespace()}-{os.getpid()}-{next(_counter)}-"


def remove_shared_memory(prefix: str) -> None:
    """Removes shared-memory files that start with ``prefix``. A killed server leaves them behind."""
    for path in SHARED_MEMORY.glob(f"{prefix}*"):
        path.unlink(missing_ok=True)


def remove_orphans() -> None:
    """Removes what dead processes left: Python stubs, shared memory and temporary directories.

    The kernel kills a server when the process that launched it ends. A Python stub that was executing at that moment
    waits for its server forever.
    """
    for stub in _orphaned_stubs():
        with contextlib.suppress(psutil.Error):  # ended meanwhile, or another user's
            stub.kill()
    for directory in (SHARED_MEMORY, Path(tempfile.gettempdir())):
        for path in directory.glob("autotune-*"):
            match = _NAME.match(path.name)
            if match is None or not _left_behind(match):
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                _unlink(path)


def _left_behind(name: re.Match[str]) -> bool:
    """Whether the process in the name is dead. Returns False for one in another PID namespace."""
    return name["namespace"] == pid_namespace() and not process_alive(int(name["pid"]))


def _orphaned_stubs() -> Iterator[psutil.Process]:
    """Stubs whose shared memory, named in their arguments, belongs to a dead process."""
    for process in psutil.process_iter(["cmdline"]):
        program, *arguments = process.info["cmdline"] or [""]
        names = (_NAME.match(argument) for argument in arguments)
        if Path(program).name == _STUB and any(name is not None and _left_behind(name) for name in names):
            yield process


def _unlink(path: Path) -> None:
    with contextlib.suppress(PermissionError):  # another user's
        path.unlink(missing_ok=True)
