"""The CPU and memory limits of this process's control group (versions 2 and 1)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path("/sys/fs/cgroup")
_SELF = Path("/proc/self/cgroup")
_UNLIMITED_BYTES = 2**60  # version 1 writes a number near 2^63 for no limit


def cpu_quota_cores(root: Path = _ROOT, membership: Path = _SELF) -> float | None:
    """CPU cores that the control group allows (quota / period), the lowest of its ancestors'; None if unlimited."""
    quotas = []
    for group in group_folders(root, membership, "cpu"):
        version_2 = _words(group / "cpu.max")
        quota, period = version_2 if len(version_2) == 2 else (_v1(group, "quota"), _v1(group, "period"))
        if quota.isdigit() and period.isdigit() and int(quota) > 0 and int(period) > 0:
            quotas.append(int(quota) / int(period))
    return min(quotas, default=None)


def memory_limit_bytes(root: Path = _ROOT, membership: Path = _SELF) -> int | None:
    """Bytes of memory that the control group allows, the lowest of its ancestors'; None if unlimited."""
    limits = []
    for group in group_folders(root, membership, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            limits += [int(word) for word in _words(group / name) if word.isdigit() and int(word) < _UNLIMITED_BYTES]
    return min(limits, default=None)


def group_folders(root: Path, membership: Path, controller: str, *, ancestors: bool = True) -> Iterator[Path]:
    """The folders of a process's group and of each ancestor, in both versions' hierarchies."""
    for line in _lines(membership):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            base = root
        elif controller in controllers.split(","):
            base = root / controllers if (root / controllers).is_dir() else root / controller
        else:
            continue
        # In a container, the path may name a host folder that is not mounted. Its readable ancestors, down to the
        # mount, still have the container's limits.
        folder = base / path.lstrip("/")
        while True:
            yield folder
            if not ancestors or folder == base or base not in folder.parents:
                break
            folder = folder.parent


def _v1(group: Path, what: str) -> str:
    words = _words(group / f"cpu.cfs_{what}_us")
    return words[0] if words else ""


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
