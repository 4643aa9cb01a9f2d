"""The kernel's count of processes that it killed for lack of memory."""

from __future__ import annotations

import re
from pathlib import Path

from autotune.environment._cgroup import group_folders, memory_limit_bytes

_COUNT = re.compile(r"^oom_kill (?P<count>\d+)$", re.MULTILINE)
_FILES = ("memory.events", "memory.oom_control")  # of control groups version 2 and 1


class MemoryKills:
    """Says whether the kernel killed processes of a control group for lack of memory since this was created.

    The kernel counts a kill in the killed process's own group, whichever limit or shortage caused it. If that group's
    counter is not visible, the whole machine's counts.

    Args:
        pid: A process of the group.
        root: Where the hierarchies of control groups are mounted.
        proc: Where the kernel shows its processes.

    Attributes:
        limit_bytes: The group's memory limit, the lowest of its ancestors'; None if unlimited.
    """

    def __init__(self, pid: int, root: Path = Path("/sys/fs/cgroup"), proc: Path = Path("/proc")) -> None:
        membership = proc / str(pid) / "cgroup"
        own = group_folders(root, membership, "memory", ancestors=False)
        counters = [folder / name for folder in own for name in _FILES]
        self._counter = next((path for path in counters if _count(path) is not None), proc / "vmstat")
        self._before = _count(self._counter)
        self.limit_bytes = memory_limit_bytes(root, membership)

    @property
    def happened(self) -> bool:
        """Whether the count has grown; False if there is no counter."""
        now = _count(self._counter)
        return now is not None and self._before is not None and now > self._before


def _count(path: Path) -> int | None:
    try:
        found = _COUNT.search(path.read_text(encoding="utf-8"))
    except OSError:
        return None
    return int(found["count"]) if found else None
