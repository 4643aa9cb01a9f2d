"""When a probe says nothing about the server, because the client or the machine was not up to it.

That is not the same as a ceiling that was missed: the probe is to be repeated, the config is not to blame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autotune.objective import format_duration

if TYPE_CHECKING:
    from numpy.typing import NDArray


_LATE = "the client dispatched late"


@dataclass(frozen=True)
class Guards:
    """How much disturbance a probe may show and still count.

    Attributes:
        lateness_p99_s: Dispatch lateness of the client, 99th percentile: what an unhurried client keeps with
            ease. Latency counts from the scheduled time, so this much of it may be the client's doing.
        lateness_of_limit: The same as a fraction of the strictest latency ceiling; the larger of both is allowed.
            The quarter of a millisecond is this fraction of 5 ms.
        lateness_by_server: How many times as late as is allowed a client of real-time priority may be because of
            what it does itself, a batch of answers that comes at once, say; later than that, and than
            ``lateness_by_server_s``, the cores themselves were taken away.
        lateness_by_server_s: The same in seconds.
        client_cpu: CPU seconds per second of one client process. Beyond it requests begin to wait for the
            client rather than for the server, in closed loops too, where nothing is ever dispatched late.
        attempted: Fraction of the scheduled requests that the client sent within the window, at least.
        others_cpu: Fraction of all cores' time that processes other than server and client may take.
        steal: Fraction of all cores' time that the hypervisor may take away. What arrives meanwhile waits, so 2%
            can hit twice the requests that a p99 allows to be late.
        least_cpu_s: CPU seconds below which others and steal are never blamed: both are counted in ticks, some
            of 10 ms for each process and core, which weigh much in a short window.
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


def invalid_because(inputs: GuardInputs, guards: Guards = Guards()) -> tuple[str, ...]:
    """Why a probe says nothing about the server, each reason in words with figure and limit; empty where it does."""
    return (*_client(inputs, guards), *_machine(inputs, guards))


def is_lateness(reason: str) -> bool:
    """Whether a reason of `invalid_because` is the client's lateness."""
    return reason.startswith(_LATE)


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


def _client(inputs: GuardInputs, guards: Guards) -> list[str]:
    reasons = []
    allowed_s = guards.lateness_allowed_s(inputs.strictest_limit_s)
    if inputs.lateness_p99_s > allowed_s:
        reasons.append(
            f"{_LATE}: p99 {format_duration(inputs.lateness_p99_s)}, at most {format_duration(allowed_s)} is allowed"
        )
    if inputs.client_cpu > guards.client_cpu:
        reasons.append(
            f"the client was busy: {_percent(inputs.client_cpu)} of its core,"
            f" at most {_percent(guards.client_cpu)} is allowed"
        )
    if inputs.scheduled and inputs.attempted < guards.attempted * inputs.scheduled:
        reasons.append(
            f"the client did not send all that was scheduled: {_percent(inputs.attempted / inputs.scheduled)},"
            f" at least {_percent(guards.attempted)} is asked for"
        )
    return reasons


def _machine(inputs: GuardInputs, guards: Guards) -> list[str]:
    reasons = []
    core_s = inputs.cores * inputs.seconds
    for used_s, allowed, what in (
        (inputs.others_cpu_s, guards.others_cpu, "other processes were busy"),
        (inputs.steal_s, guards.steal, "the hypervisor took CPU away (steal)"),
    ):
        limit_s = max(allowed * core_s, guards.least_cpu_s)
        if used_s is not None and used_s > limit_s:
            cores = f"{inputs.cores} cores" if inputs.cores > 1 else "the core"
            reasons.append(
                f"{what}: {_percent(used_s / core_s)} of {cores}, at most {_percent(limit_s / core_s)} is allowed"
            )
    if inputs.gpu_slowdowns:
        reasons.append(f"the GPU was slowed down: {', '.join(inputs.gpu_slowdowns)}, none is allowed")
    return reasons


def _percent(fraction: float) -> str:
    """A tenth of a percent, so that a figure just over its limit does not read like it."""
    return f"{100 * fraction:.1f}%"
