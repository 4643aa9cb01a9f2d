"""CPU use and steal of the machine's cores."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class MachineUse:
    """CPU use of the cores between two moments.

    Attributes:
        busy_s: CPU seconds of processes, summed over cores (user, nice and system).
        steal_s: CPU seconds that the hypervisor gave to other machines while a process was ready to run here.
        seconds: Wall time.
        cores: Number of cores.
    """

    busy_s: float
    steal_s: float
    seconds: float
    cores: int

    def others_s(self, known_s: float) -> float:
        """CPU seconds of other processes: all without ``known_s``, at least 0.

        The kernel samples cores at each tick but times processes exactly. The two differ by tens of milliseconds.
        """
        return max(0.0, self.busy_s - known_s)


@dataclass(frozen=True)
class MachineLoad:
    """The cores' counters at one moment; the difference of two is a `MachineUse`.

    Only cores that this process may run on count, since load on other cores does not disturb it. Time for interrupts
    and disk waits is left out.

    Attributes:
        busy_s: CPU seconds of processes since boot, summed over cores.
        steal_s: CPU seconds stolen since boot.
        cores: Number of cores.
        at_s: The moment, in seconds of CLOCK_MONOTONIC.
    """

    busy_s: float
    steal_s: float
    cores: int
    at_s: float

    @classmethod
    def now(cls) -> MachineLoad:
        """The counters now; takes about 0.1 ms."""
        import psutil

        every = psutil.cpu_times(percpu=True)
        mine = os.sched_getaffinity(0)
        # The list has no core numbers; with cores offline, indices are not core numbers.
        counted = [every[core] for core in sorted(mine)] if max(mine) < len(every) else every
        return cls(
            busy_s=sum(times.user + times.nice + times.system for times in counted),
            steal_s=sum(times.steal for times in counted),
            cores=len(counted),
            at_s=time.monotonic(),
        )

    def __sub__(self, earlier: MachineLoad) -> MachineUse:
        return MachineUse(
            busy_s=max(0.0, self.busy_s - earlier.busy_s),
            steal_s=max(0.0, self.steal_s - earlier.steal_s),
            seconds=self.at_s - earlier.at_s,
            cores=self.cores,
        )
