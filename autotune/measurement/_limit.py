"""What keeps a config from sustaining more: the client, its instances, or the queue before them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from autotune.load import ClosedLoop
from autotune.measurement._breakdown import slowest_way
from autotune.measurement._options import DEFAULTS, MeasureOptions
from autotune.measurement._reasons import Limit, LimitKind
from autotune.measurement._serving import Serving
from autotune.measurement._types import Probe


def limited_by(
    probes: Sequence[Probe],
    decided_by: Probe | None,
    instances: int,
    options: MeasureOptions = DEFAULTS,
    *,
    serving: Serving | None = None,
) -> Limit | None:
    """The limit, as the lowest failing load above the one that held shows it; None where nothing does.

    - Errors: the server answers more requests with an error than may be late.
    - Client: every failing window above it was disturbed by the client, or the closed loop's think time is used up.
    - Compute: server and client use up the cores that they share, or the instances are busy nearly all the time.
    - Queue: they are not, and requests wait longer than they are computed; for the rate limiter, perhaps.
    """
    if decided_by is None:
        return None
    rate = decided_by.asked_per_s
    failing = [probe for probe in probes if probe.concurrency is None and not probe.holds and probe.asked_per_s > rate]
    if failing and all(any(each.kind.of_client for each in probe.invalid) for probe in failing):
        return Limit(LimitKind.CLIENT, disturbance=failing[0].invalid[0])
    seen = min(failing, key=lambda probe: probe.asked_per_s, default=decided_by)
    serving = serving or Serving()
    found = (
        _errors(failing or [seen], serving)
        or _think_time(decided_by, options)
        or _crowded(seen, options)
        or _server(seen, instances, options)
    )
    if found and found.kind is LimitKind.QUEUE:
        return replace(found, rate_limited=serving.rate_limited)
    return found


def _errors(failing: Sequence[Probe], serving: Serving) -> Limit | None:
    """Errors that the server answered, where they alone are more than may be late in half of the windows."""
    refusing = [each for each in failing if each.evidence and each.refused > _allowed(each) * each.requests]
    if 2 * len(refusing) < max(1, len(failing)):
        return None
    lowest = min(refusing, key=lambda probe: probe.asked_per_s)
    failed = lowest.refused / lowest.requests
    return Limit(
        LimitKind.ERRORS,
        failed=failed,
        queue_size=serving.queue_size,
        queue_field=serving.queue_field,
        text=lowest.error_example,
    )


def _allowed(probe: Probe) -> float:
    return min(each.allowed for each in probe.evidence)


def _think_time(probe: Probe, options: MeasureOptions) -> Limit | None:
    """The closed loop's think time, where it leaves no time for more."""
    schedule = probe.schedule
    if not isinstance(schedule, ClosedLoop):
        return None
    if probe.achieved_per_s / probe.batch_size * schedule.client_s < options.client_busy:
        return None
    return Limit(LimitKind.THINK_TIME, think_s=schedule.client_s, most_per_s=probe.batch_size / schedule.client_s)


def _server(seen: Probe, instances: int, options: MeasureOptions) -> Limit | None:
    """What the server's own statistics of a window show, of an ensemble its bottleneck's, of several models
    the busiest one's; of a model that calls others those of one that is always busy. None where it has none.
    """
    server, model = seen.server, ""
    if seen.streams:
        busiest = max(seen.streams, key=lambda each: each.busy(seen.duration_s))
        server, model, instances = busiest.server, busiest.stream.model, busiest.stream.instances
    if seen.steps:
        bottleneck = max(slowest_way(seen.steps), key=lambda each: each.mean_s)
        server, model, instances = bottleneck.server, bottleneck.step.model, bottleneck.step.instances
    busiest_called = max(seen.called, key=lambda each: each.busy(seen.duration_s), default=None)
    if busiest_called is not None and busiest_called.busy(seen.duration_s) >= options.instances_busy:
        server, model, instances = busiest_called.server, busiest_called.step.model, busiest_called.step.instances
    if not server.success_count or not server.batch_compute_ns:
        return None
    # Draining goes on after the window; the instances were at work until the last answer.
    busy = min(1.0, server.busy_s / (instances * seen.duration_s))
    queue_s = server.queue_ns / server.success_count / 1e9
    compute_ns = server.compute_input_ns + server.compute_infer_ns + server.compute_output_ns
    compute_s = compute_ns / server.success_count / 1e9
    kind = LimitKind.QUEUE if queue_s > compute_s else LimitKind.EXECUTION
    return Limit(
        LimitKind.INSTANCES if busy >= options.instances_busy else kind,
        instances=instances,
        busy=busy,
        mean_batch=server.mean_batch_size,
        queue_s=queue_s,
        compute_s=compute_s,
        model=model,
    )


def _crowded(probe: Probe, options: MeasureOptions) -> Limit | None:
    """The cores, where a client on them takes what the server would need."""
    usage = probe.usage
    if usage is None or usage.server_cpu_s is None or not usage.cores or not usage.seconds:
        return None
    client = usage.client_cpu * usage.client_processes / usage.cores
    busy = client + usage.server_cpu_s / (usage.seconds * usage.cores)
    if busy < options.cores_busy or client < options.client_takes:
        return None
    return Limit(LimitKind.CORES, busy=min(1.0, busy), client=client, cores=usage.cores)
