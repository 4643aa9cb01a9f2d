"""Names for what this process leaves on the machine, so that a later one can clear up after its death.

Each name carries the process id and its PID namespace: shared memory and temporary directories may be
shared with containers, where the same id means another process.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import tempfile
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where POSIX shared memory lives on Linux
_NAME = re.compile(r"autotune-(?P<namespace>\d+)-(?P<pid>\d+)-\d+-")
_counter = itertools.count(1)


def pid_namespace() -> str:
    """An id of this process's PID namespace; ``0`` where there is none to see."""
    try:
        return os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        return "0"


def process_alive(pid: int) -> bool:
    """Whether a process of this namespace has this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def new_prefix() -> str:
    """A prefix that no other server of this machine uses: ``autotune-NAMESPACE-PID-N-``."""
    return f"autotune-{pid_namespace()}-{os.getpid()}-{next(_counter)}-"


def remove_shared_memory(prefix: str) -> None:
    """Removes the shared-memory files whose name starts with ``prefix``; a killed server leaves them."""
    for path in SHARED_MEMORY.glob(f"{prefix}*"):
        path.unlink(missing_ok=True)


def remove_orphans() -> None:
    """Removes shared memory and temporary directories of processes that died before they could."""
    for directory in (SHARED_MEMORY, Path(tempfile.gettempdir())):
        for path in directory.glob("autotune-*"):
            match = _NAME.match(path.name)
            if match is None or match["namespace"] != pid_namespace() or process_alive(int(match["pid"])):
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                _unlink(path)


def _unlink(path: Path) -> None:
    with contextlib.suppress(PermissionError):  # another person's
        path.unlink(missing_ok=True)
