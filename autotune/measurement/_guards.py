"""Whether client or machine disturbed a window.

A disturbed window is repeated: a ceiling that it violates is not the config's fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autotune.measurement._reasons import Disturbance, DisturbanceKind

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Guards:
    """How much disturbance a probe may show and still count. Each value is a guess unless it says otherwise.

    Attributes:
        lateness_p99_s: Seconds of dispatch lateness, 99th percentile. Latency counts from the scheduled time, so this
            much of it may be the client's doing.
        lateness_of_limit: The same as a fraction of the strictest ceiling; the larger of both is allowed.
        lateness_by_server: Multiple of the allowed lateness that a client of real-time priority may cause itself.
            Beyond it, and ``lateness_by_server_s``, the hypervisor took the cores away.
        lateness_by_server_s: The same in seconds.
        client_cpu: CPU seconds per second of one client process. Beyond it requests wait for the client.
        attempted: Fraction of the scheduled requests that the client sent within the window, at least.
        others_cpu: Fraction of all cores' time that processes other than server and client may take.
        steal: Fraction of all cores' time that the hypervisor may take away.
        least_cpu_s: CPU seconds below which others and steal are never blamed: both are counted in ticks of 10 ms.
    """

    lateness_p99_s: float = 0.00025
    lateness_of_limit: float = 0.05
    lateness_by_server: float = 4.0
    lateness_by_server_s: float = 0.002
    client_cpu: float = 0.70
    attempted: float = 0.99
    others_cpu: float = 0.10
    steal: float = 0.02
    least_cpu_s: float = 0.05

    def lateness_allowed_s(self, strictest_limit_s: float | None = None) -> float:
        """The lateness that is allowed where ``strictest_limit_s`` is the lowest ceiling in seconds, if any."""
        return max(self.lateness_p99_s, self.lateness_of_limit * (strictest_limit_s or 0.0))


@dataclass(frozen=True)
class GuardInputs:
    """What is judged of a probe.

    Attributes:
        seconds: Wall time over which CPU was counted.
        cores: Cores of the machine.
        scheduled: Requests scheduled in the window.
        attempted: Those of them that the client sent within the window, or would have, had the server not kept
            every connection waiting (`attempted_requests`).
        lateness_p99_s: 99th percentile of the client's dispatch lateness; 0 in closed loop.
        client_cpu: CPU seconds per second of one client process, idle polling left out.
        strictest_limit_s: The lowest latency ceiling in seconds; None where none is judged.
        others_cpu_s: CPU seconds of everything but server, client and this process; None where the server's
            cannot be told apart.
        steal_s: CPU seconds stolen by the hypervisor; None where unknown.
        gpu_slowdowns: Why a GPU was slowed down, power limits left out: they are a card's usual state under load.
    """

    seconds: float
    cores: int
    scheduled: int
    attempted: int
    lateness_p99_s: float
    client_cpu: float
    strictest_limit_s: float | None = None
    others_cpu_s: float | None = None
    steal_s: float | None = None
    gpu_slowdowns: tuple[str, ...] = ()


def disturbances(inputs: GuardInputs, guards: Guards = Guards()) -> tuple[Disturbance, ...]:
    """What disturbed a window; empty for a valid one."""
    kinds = DisturbanceKind
    found = []
    lateness_s = guards.lateness_allowed_s(inputs.strictest_limit_s)
    if inputs.lateness_p99_s > lateness_s:
        found.append(Disturbance(kinds.CLIENT_LATE, inputs.lateness_p99_s, lateness_s))
    if inputs.client_cpu > guards.client_cpu:
        found.append(Disturbance(kinds.CLIENT_BUSY, inputs.client_cpu, guards.client_cpu))
    if inputs.scheduled and inputs.attempted < guards.attempted * inputs.scheduled:
        found.append(Disturbance(kinds.NOT_ALL_SENT, inputs.attempted / inputs.scheduled, guards.attempted))
    core_s = inputs.cores * inputs.seconds
    for kind, used_s, allowed in (
        (kinds.OTHER_PROCESSES, inputs.others_cpu_s, guards.others_cpu),
        (kinds.STEAL, inputs.steal_s, guards.steal),
    ):
        limit_s = max(allowed * core_s, guards.least_cpu_s)
        if used_s is not None and used_s > limit_s:
            found.append(Disturbance(kind, used_s / core_s, limit_s / core_s, inputs.cores))
    if inputs.gpu_slowdowns:
        slowed = len(inputs.gpu_slowdowns)
        found.append(Disturbance(kinds.GPU_SLOWED, slowed, 0, detail=", ".join(inputs.gpu_slowdowns)))
    return tuple(found)


def attempted_requests(
    scheduled_s: NDArray[np.float64], lateness_s: NDArray[np.float64], duration_s: float, grace_s: float = 0.0
) -> int:
    """Requests that the client sent within the window, or at most ``grace_s`` after its end.

    Args:
        scheduled_s: Scheduled send times in seconds from the window's start, shape (n,).
        lateness_s: How much later each was sent, as far as the client caused it, shape (n,).
        duration_s: Length of the window.
        grace_s: The lateness that any request may have (`Guards.lateness_allowed_s`), so that the last one before
            the end may have it too.
    """
    return int(np.count_nonzero(scheduled_s + lateness_s <= duration_s + grace_s))
