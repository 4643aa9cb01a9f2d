"""CPU time and memory of processes and their descendants."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psutil

_CHILDREN_BYTES = 1 << 20


def process_tree(*roots: int) -> tuple[psutil.Process, ...]:
    """The processes with these ids and their descendants, each once; ended ones are left out.

    Takes about 5 us per thread, however many processes the machine has.
    """
    import psutil

    tree: dict[int, psutil.Process] = {}
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid in tree:
            continue
        try:
            tree[pid] = psutil.Process(pid)
            waiting += _children(tree[pid])
        except (psutil.Error, OSError):  # ended meanwhile
            continue
    return tuple(tree.values())


def cpu_s(processes: Iterable[psutil.Process]) -> float:
    """CPU seconds (user and system) of the processes so far, including their ended children.

    An ended child stays in its parent's sum, so the sum of a tree does not fall. The unit is a tick of 10 ms per
    process.
    """
    import psutil

    total_s = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        total_s += times.user + times.system + times.children_user + times.children_system
    return total_s


def memory_bytes(processes: Iterable[psutil.Process]) -> int:
    """Memory of the processes together, with shared memory counted about once.

    The sum of their private memory, plus the largest shared part (shared memory and mapped files) of one process. The
    exact figure (PSS) needs a walk over every page and permission to inspect the processes.
    """
    import psutil

    private, shared = 0, 0
    for process in processes:
        try:
            memory = process.memory_info()
        except psutil.Error:
            continue
        private += max(0, memory.rss - memory.shared)
        shared = max(shared, memory.shared)
    return private + shared


def _children(process: psutil.Process) -> list[int]:
    """Ids of the direct children, read per thread; psutil would scan every process of the machine."""
    if not _kernel_lists_children():
        return [child.pid for child in process.children()]
    children: list[int] = []
    threads = f"/proc/{process.pid}/task"
    for thread in os.listdir(threads):
        try:
            file = os.open(f"{threads}/{thread}/children", os.O_RDONLY)
        except OSError:  # the thread ended
            continue
        try:
            children += map(int, os.read(file, _CHILDREN_BYTES).split())
        except OSError:
            continue
        finally:
            os.close(file)
    return children


@functools.cache
def _kernel_lists_children() -> bool:
    """Whether the kernel has CONFIG_PROC_CHILDREN, as distributions' kernels do."""
    return os.path.exists(f"/proc/self/task/{os.getpid()}/children")
