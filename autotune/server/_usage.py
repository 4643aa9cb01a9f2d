"""What a server uses of the machine."""

from __future__ import annotations

from dataclasses import dataclass

from autotune.environment import cpu_s, memory_bytes, process_tree


@dataclass(frozen=True)
class ServerUsage:
    """What the processes of a server used: Triton and its backends' own (the Python backend's stubs).

    Attributes:
        cpu_s: CPU seconds (user and system) so far.
        memory_bytes: Memory now, what the processes share counted once.
    """

    cpu_s: float
    memory_bytes: int

    def cpu_since(self, earlier: ServerUsage) -> float:
        """CPU seconds since ``earlier``; not below 0 if a process ended that no one waited for."""
        return max(0.0, self.cpu_s - earlier.cpu_s)


def usage_of(root: int) -> ServerUsage | None:
    """Usage of the process with this id and its descendants; None if there is no such process."""
    tree = process_tree(root)
    return ServerUsage(cpu_s(tree), memory_bytes(tree)) if tree else None


def runs_argument(pid: int, argument: str) -> bool:
    """Whether the process with this id has ``argument`` on its command line.

    Process ids of an engine elsewhere, or in another PID namespace, are other processes here or none.
    """
    import psutil

    try:
        return any(argument in word.split() for word in psutil.Process(pid).cmdline())
    except psutil.Error:
        return False
