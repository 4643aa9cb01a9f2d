"""The machine around a window: what the server and others used of it, and whether that spoils the window."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autotune.environment import GpuState, MachineLoad, cpu_s, gpu_state, process_tree
from autotune.load import LoadResult
from autotune.measurement._guards import GuardInputs, Guards, attempted_requests, disturbances
from autotune.measurement._reasons import Disturbance
from autotune.measurement._types import Usage
from autotune.objective import Ceiling
from autotune.server import RunningServer, ServerUsage


@dataclass(frozen=True)
class Surroundings:
    """The machine at the start of a window.

    Attributes:
        machine: The cores' counters.
        server: What the server's processes used so far; None where they cannot be seen.
        known_cpu_s: CPU seconds of this process, the load generator's and the server's so far.
        gpus: The GPUs' state; None without any.
    """

    machine: MachineLoad
    server: ServerUsage | None
    known_cpu_s: float
    gpus: GpuState | None

    @classmethod
    def now(cls, server: RunningServer) -> Surroundings:
        """The machine now."""
        roots = [os.getpid()] if server.pid is None else [os.getpid(), server.pid]
        return cls(MachineLoad.now(), server.usage(), cpu_s(process_tree(*roots)), gpu_state())

    def since(
        self, earlier: Surroundings, result: LoadResult, ceilings: Sequence[Ceiling]
    ) -> tuple[Usage, tuple[Disturbance, ...]]:
        """What a window took that began at ``earlier``, and what disturbed it."""
        machine = self.machine - earlier.machine
        server_cpu_s = others_cpu_s = None
        if self.server is not None and earlier.server is not None:
            server_cpu_s = self.server.cpu_since(earlier.server)
            others_cpu_s = machine.others_s(max(0.0, self.known_cpu_s - earlier.known_cpu_s))
        slowdowns = self.gpus.slowdowns_since(earlier.gpus) if self.gpus and earlier.gpus else ()
        usage = Usage(
            client_cpu=result.client_cpu_s / result.elapsed_s / result.processes if result.elapsed_s else 0.0,
            client_processes=result.processes,
            server_cpu_s=server_cpu_s,
            others_cpu_s=others_cpu_s,
            steal_s=machine.steal_s,
            memory_bytes=self.server.memory_bytes if self.server else None,
            gpu_memory_bytes=self.gpus.memory_bytes if self.gpus else None,
            cores=machine.cores,
            seconds=machine.seconds,
        )
        strictest_s = min((ceiling.limit_s for ceiling in ceilings), default=None)
        inputs = GuardInputs(
            seconds=machine.seconds,
            cores=machine.cores,
            scheduled=result.requests,
            attempted=attempted_requests(
                result.scheduled_s,
                result.lateness_s,
                result.duration_s,
                Guards().lateness_allowed_s(strictest_s),
            ),
            lateness_p99_s=float(np.quantile(result.lateness_s, 0.99)) if result.requests else 0.0,
            client_cpu=usage.client_cpu,
            strictest_limit_s=strictest_s,
            others_cpu_s=others_cpu_s,
            steal_s=machine.steal_s,
            gpu_slowdowns=slowdowns,
        )
        return usage, disturbances(inputs)
