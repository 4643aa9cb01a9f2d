"""Names of this process's shared memory and temporary directories, so that a later process can remove leftovers.

Each name contains the process id with its start time and its PID namespace. Containers may share these directories,
and there the same id means another process; after a restart of the machine too.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from autotune.server._keeper import dead_environments, remove_environments

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where POSIX shared memory lives on Linux
_NAME = re.compile(r"autotune-(?P<namespace>\d+)-(?P<pid>\d+)-(?:t(?P<started>\d+)-)?\d+-")
_PROC = Path("/proc/self/stat")
TRITONS_TEMPORARY = Path("/tmp")  # noqa: S108 - where Triton keeps its own temporary directories
_STUB = "triton_python_backend_stub"
_counter = itertools.count(1)


def pid_namespace() -> str:
    """An id of this process's PID namespace; ``0`` if there is none to see."""
    try:
        return os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        return "0"


def started_at(pid: int) -> int | None:
    """When a process of this PID namespace was started, in the kernel's ticks since boot; None if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def process_alive(pid: int, started: int | None = None) -> bool:
    """Whether this PID namespace has a process with this id that started then (at any time if None)."""
    if not _PROC.exists():  # no Linux
        return bool(psutil.pid_exists(pid))
    now = started_at(pid)
    return now is not None and started in (None, now)


def new_prefix() -> str:
    """A prefix unique to one server: ``autotune-NAMESPACE-PID-tSTARTED-N-``."""
    pid = os.getpid()
    return f"autotune-{pid_namespace()}-{pid}-t{started_at(pid) or 0}-{next(_counter)}-"


def remove_shared_memory(prefix: str) -> None:
    """Removes shared-memory files that start with ``prefix``. A killed server leaves them behind."""
    for path in SHARED_MEMORY.glob(f"{prefix}*"):
        path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Leftover:
    """Something that a dead run left.

    Attributes:
        kind: What it is, in a word or two.
        name: Its path or name.
        remove: Removes it; does nothing if it is gone meanwhile or belongs to another user.
    """

    kind: str
    name: str
    remove: Callable[[], object]


def orphans(environments_since: float | None = None) -> Iterator[Leftover]:
    """What dead processes of this machine left: Python stubs, shared memory and temporary directories.

    The keeper of a server (`_keeper`) removes all of it, unless the machine stopped or the keeper was killed as well.

    Args:
        environments_since: Triton's directories that were created since (Unix time, s); None for those of dead
            processes whose temporary directory is still there.
    """
    for stub in _orphaned_stubs():
        yield Leftover("process", f"{_STUB} {stub.pid}", functools.partial(_kill, stub))
    for directory in dict.fromkeys((SHARED_MEMORY, Path(tempfile.gettempdir()), TRITONS_TEMPORARY)):
        for path in directory.glob("autotune-*"):
            match = _NAME.match(path.name)
            if match is None or not _left_behind(match):
                continue
            if path.is_dir():
                with contextlib.suppress(OSError):
                    at = path.stat().st_mtime
                    environments_since = at if environments_since is None else min(at, environments_since)
                yield Leftover("directory", str(path), functools.partial(shutil.rmtree, path, ignore_errors=True))
            else:
                yield Leftover("shared memory", str(path), functools.partial(_unlink, path))
    for name in dead_environments(environments_since) if environments_since is not None else ():
        yield Leftover("directory", name, functools.partial(remove_environments, [name]))


def remove_orphans() -> None:
    """Removes the `orphans`."""
    for each in orphans():
        each.remove()


def _left_behind(name: re.Match[str]) -> bool:
    """Whether the process in the name is dead. Returns False for one in another PID namespace."""
    started = int(name["started"]) if name["started"] else None
    return name["namespace"] == pid_namespace() and not process_alive(int(name["pid"]), started)


def _kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.Error):  # ended meanwhile, or another user's
        process.kill()


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
