"""CPU time and memory of processes together with all their descendants."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psutil

_CHILDREN_BYTES = 1 << 20


def process_tree(*roots: int) -> tuple[psutil.Process, ...]:
    """The processes with these ids and their descendants, each once; those that are gone are left out.

    Costs some 5 us for each thread of them, however many processes the machine has.
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
        except (psutil.Error, OSError):  # it ended meanwhile
            continue
    return tuple(tree.values())


def cpu_s(processes: Iterable[psutil.Process]) -> float:
    """CPU seconds (user and system) of the processes so far, those of children they outlived included.

    A child that ends counts on in its parent's sum, so that the sum of a tree does not fall. Counted in ticks of
    10 ms for each process.
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
    """Memory that the processes take together, what they share counted once, as far as that is cheap to know.

    Their private memory, plus the largest shared part (shared memory and mapped files) of any one of them. The
    exact figure (PSS) takes the kernel a walk over every page, and a right to look into other people's processes.
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
    """Ids of the direct children: asked of each thread, as psutil's way looks at every process of the machine."""
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
    """Whether the kernel was built with CONFIG_PROC_CHILDREN, as distributions' are."""
    return os.path.exists(f"/proc/self/task/{os.getpid()}/children")
