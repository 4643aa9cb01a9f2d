"""What keeps a config from carrying more: the client, its instances, or the queue before them."""

from __future__ import annotations

from collections.abc import Sequence

from autotune.load import ClosedLoop
from autotune.measurement._types import Probe
from autotune.objective import format_duration

_INSTANCES_BUSY = 0.85
# Where server and client leave the cores so little to spare and the client takes so much of them, it is in the way.
_CORES_BUSY, _CLIENT_TAKES = 0.9, 0.1
# Of the time of a closed loop's client; what it does besides, some tens of microseconds a request, comes on top.
_CLIENT_BUSY = 0.6


def limited_by(probes: Sequence[Probe], decided_by: Probe | None, instances: int) -> str:
    """The limit in words, as the lowest failing load above the one that held shows it; empty where nothing does.

    - ``client``: every window that failed above it was disturbed by a client that was too busy or too late, or the
      time that the client of a closed loop is told to take for each answer is used up.
    - ``compute``: server and client use up the cores that they share, or the instances are busy nearly all the time,
      by the server's own clock.
    - ``queueing``: they are not, and requests spend longer waiting than being computed.
    """
    if decided_by is None:
        return ""
    rate = decided_by.asked_per_s
    failing = [probe for probe in probes if probe.concurrency is None and not probe.holds and probe.asked_per_s > rate]
    if failing and all(any("client" in reason for reason in probe.invalid) for probe in failing):
        return f"client: {failing[0].invalid[0]}"
    seen = min(failing, key=lambda probe: probe.asked_per_s, default=decided_by)
    return _told_to_take_time(decided_by) or _crowded(seen) or _server(seen, instances)


def _told_to_take_time(probe: Probe) -> str:
    """That the closed loop's client takes too long for more; empty where it does not."""
    schedule = probe.schedule
    if not isinstance(schedule, ClosedLoop):
        return ""
    if probe.achieved_per_s / probe.batch_size * schedule.client_s < _CLIENT_BUSY:
        return ""
    return (
        f"client: taking {format_duration(schedule.client_s)} for each request, it completes"
        f" {probe.batch_size / schedule.client_s:,.0f} inferences/s at most; give a shorter --client-time"
    )


def _server(seen: Probe, instances: int) -> str:
    """What the server's own statistics of a window show; empty where it has none."""
    server = seen.server
    if not server.success_count or not server.batch_compute_ns:
        return ""
    # Draining goes on after the window; the instances were at work until the last answer.
    busy = min(1.0, server.busy_s / (instances * seen.duration_s))
    each = f"{instances} instances are" if instances > 1 else "the instance is"
    queue_ms = server.queue_ns / server.success_count / 1e6
    compute_ms = (
        (server.compute_input_ns + server.compute_infer_ns + server.compute_output_ns) / server.success_count / 1e6
    )
    if busy >= _INSTANCES_BUSY:
        return f"compute: {each} busy {busy:.0%} of the time, in batches of {server.mean_batch_size:.1f}"
    if queue_ms > compute_ms:
        return f"queueing: requests wait {queue_ms:.2g} ms while {each} busy {busy:.0%} of the time"
    return f"compute: an execution takes {compute_ms:.2g} ms, longer than requests wait for it ({queue_ms:.2g} ms)"


def _crowded(probe: Probe) -> str:
    """That a client on the server's cores takes what the server would need; empty where it does not."""
    usage = probe.usage
    if usage is None or usage.server_cpu_s is None or not usage.cores or not usage.seconds:
        return ""
    client = usage.client_cpu * usage.client_processes / usage.cores
    busy = client + usage.server_cpu_s / (usage.seconds * usage.cores)
    if busy < _CORES_BUSY or client < _CLIENT_TAKES:
        return ""
    return (
        f"compute: server and client use {min(1.0, busy):.0%} of the {usage.cores} cores that they share,"
        f" the client {client:.0%}; with clients elsewhere the server carries more"
    )
