"""How busy the machine's cores are."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class MachineUse:
    """What happened on the cores between two moments.

    Attributes:
        busy_s: CPU seconds that processes ran on all cores together (user, nice and system).
        steal_s: CPU seconds that the hypervisor gave to other machines though something was ready to run here.
        seconds: Wall time in between.
        cores: Cores that were counted.
    """

    busy_s: float
    steal_s: float
    seconds: float
    cores: int

    def others_s(self, known_s: float) -> float:
        """CPU seconds that are left for everyone else once ``known_s`` of them are accounted for, at least 0.

        The kernel samples what the cores do at each tick, while processes are timed exactly; the two differ by
        some tens of milliseconds.
        """
        return max(0.0, self.busy_s - known_s)


@dataclass(frozen=True)
class MachineLoad:
    """The cores' counters at one moment; the difference of two is a `MachineUse`.

    Only the cores count that this process may run on: a container is not disturbed by what runs beside it on
    cores it has not got. Time spent on interrupts and in waiting for a disk is nobody's and left out.

    Attributes:
        busy_s: CPU seconds of processes since boot, all cores together.
        steal_s: CPU seconds stolen since boot.
        cores: Cores counted.
        at_s: When, in seconds of CLOCK_MONOTONIC.
    """

    busy_s: float
    steal_s: float
    cores: int
    at_s: float

    @classmethod
    def now(cls) -> MachineLoad:
        """The counters now; costs some 0.1 ms."""
        import psutil

        every = psutil.cpu_times(percpu=True)
        mine = os.sched_getaffinity(0)
        # The list has no numbers: with cores taken offline they are not its indices.
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
