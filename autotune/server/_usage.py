"""CPU time and memory of a server."""

from __future__ import annotations

from dataclasses import dataclass

from autotune.environment import cpu_s, memory_bytes, process_tree


@dataclass(frozen=True)
class ServerUsage:
    """CPU time and memory of a server's processes: Triton and its backends (such as Python stubs).

    Attributes:
        cpu_s: CPU seconds (user and system) so far.
        memory_bytes: Memory now; shared pages count once.
    """

    cpu_s: float
    memory_bytes: int

    def cpu_since(self, earlier: ServerUsage) -> float:
        """CPU seconds since ``earlier``; at least 0, even if a process ended without being waited for."""
        return max(0.0, self.cpu_s - earlier.cpu_s)


def usage_of(root: int) -> ServerUsage | None:
    """Usage of the process with this id and its descendants; None if there is no such process."""
    tree = process_tree(root)
    return ServerUsage(cpu_s(tree), memory_bytes(tree)) if tree else None


def runs_argument(pid: int, argument: str) -> bool:
    """Whether the process with this id has ``argument`` on its command line.

    A process id from another machine or PID namespace is another process here, or none.
    """
    import psutil

    try:
        return any(argument in word.split() for word in psutil.Process(pid).cmdline())
    except psutil.Error:
        return False
