"""What disturbed a measurement and what limits a config, in words."""

from __future__ import annotations

from autotune.measurement import Disturbance, DisturbanceKind, Limit, LimitKind, Measurement, Probe
from autotune.objective import format_duration
from autotune.repository import KeptApart
from autotune.server import ModelStatistics

_SAYS_SOMETHING = 0.001  # of the requests


def disturbance(found: Disturbance) -> str:
    """Why a window says nothing about the server, with the figure and its limit."""
    kinds = DisturbanceKind
    at_most = f"at most {_percent(found.limit)} is allowed"
    cores = f"{found.cores} cores" if found.cores > 1 else "the core"
    if found.kind is kinds.CLIENT_LATE:
        value, limit = format_duration(found.value), format_duration(found.limit)
        return f"the client dispatched late: p99 {value}, at most {limit} is allowed"
    if found.kind is kinds.NOT_ALL_SENT:
        sent, least = _percent(found.value), _percent(found.limit)
        return f"the client sent only {sent} of the scheduled requests, at least {least} is needed"
    return {
        kinds.CLIENT_BUSY: f"the client was busy: {_percent(found.value)} of its core, {at_most}",
        kinds.OTHER_PROCESSES: f"other processes were busy: {_percent(found.value)} of {cores}, {at_most}",
        kinds.STEAL: f"the hypervisor took CPU away (steal): {_percent(found.value)} of {cores}, {at_most}",
        kinds.GPU_SLOWED: f"the GPU was slowed down: {found.detail}, none is allowed",
        kinds.AS_TEXT: found.detail,
    }[found.kind]


def limit(found: Limit) -> str:
    """What keeps the rate from being higher."""
    kinds = LimitKind
    where = f" in {found.model}" if found.model else ""
    instances = f"{found.instances} instances are" if found.instances > 1 else "the instance is"
    busy = f"{instances} busy {found.busy:.0%} of the time"
    if found.kind is kinds.CLIENT and found.disturbance is not None:
        return f"client: {disturbance(found.disturbance)}"
    return {
        kinds.CLIENT: "client",
        kinds.THINK_TIME: (
            f"client: with a think time of {format_duration(found.think_s)} it completes"
            f" {found.most_per_s:,.0f} inferences/s at most; give a shorter --client-time"
        ),
        kinds.CORES: (
            f"compute: server and client use {found.busy:.0%} of the {found.cores} cores that they share,"
            f" the client {found.client:.0%}; with clients elsewhere the server sustains more"
        ),
        kinds.INSTANCES: f"compute{where}: {busy}, in batches of {found.mean_batch:.1f}",
        kinds.QUEUE: f"queueing{where}: requests wait {format_duration(found.queue_s)} while {busy}{_slots(found)}",
        kinds.EXECUTION: (
            f"compute{where}: an execution takes {format_duration(found.compute_s)}, longer than requests wait for it"
            f" ({format_duration(found.queue_s)})"
        ),
        kinds.ERRORS: (
            f"errors: {_percent(found.failed)} of requests failed at a higher load ({found.text})"
            f"{queue_size(found.queue_size, found.queue_field)}"
        ),
        kinds.AS_TEXT: found.text,
    }[found.kind]


def queue_size(size: int, field: str) -> str:
    """What to change where a queue of ``size`` is full, which ``field`` limits; empty for 0."""
    if not size:
        return ""
    field = field or "dynamic_batching.default_queue_policy.max_queue_size"  # earlier versions stored none
    return f"; max_queue_size is {size}: raise it, or search {field}"


def _slots(found: Limit) -> str:
    """The rate limiter, where instances may wait for it."""
    return "; with --rate-limit, instances wait for the rate limiter's resources" if found.rate_limited else ""


def from_cache(server: ModelStatistics) -> str:
    """The share of requests that the response cache answered, where it is one; empty otherwise."""
    if server.cached_fraction < _SAYS_SOMETHING:
        return ""
    return f"{_percent(server.cached_fraction)} of requests were answered from the response cache, not by the model"


def notes(measured: Measurement) -> list[str]:
    """What besides the model decided the latency: the response cache, and the polls of a queue policy."""
    decided, lines = measured.decided_by, []
    if decided is not None and (cached := from_cache(decided.server)):
        lines.append(cached)
    if decided is not None and measured.serving is not None and measured.serving.cached and _uncached(decided):
        lines.append("response_cache has no effect: the server looked up no request in a cache")
    waited, requests = measured.polled
    if waited:
        lines.append(
            f"the queue policy or the priority levels cost latency: {waited:,} of {requests:,} requests, sent one at a"
            " time, waited for a 500 ms poll of Triton's batcher though an instance was idle"
        )
    return lines


def _uncached(probe: Probe) -> bool:
    """Whether Triton looked for no request in the cache."""
    models = (probe.server, *(each.server for each in probe.parts))
    return not any(each.cache_hit_count or each.cache_miss_count for each in models)


def batches_kept_small(found: KeptApart) -> str:
    """Why batches are small whatever the batcher is set to, and what to change."""
    return f"Batches are small: {found.words()}.{found.remedy()}"


def warnings(measured: Measurement) -> list[str]:
    """What disturbed the measurement."""
    counted = [probe for probe in measured.probes if probe.purpose != "warm-up"]
    disturbed = [probe for probe in counted if probe.invalid]
    if not disturbed:
        return []
    last = disturbance(disturbed[-1].invalid[0])
    lines = [f"{len(disturbed)} of {len(counted)} windows disturbed, the last because {last}"]
    if measured.decided_by is not None and measured.decided_by.invalid:
        lines.append("the window that decided was disturbed; on a quiet machine the result may be better")
    return lines


def _percent(fraction: float) -> str:
    """A tenth of a percent, so that a figure just over its limit does not read like it."""
    return f"{100 * fraction:.1f}%"
