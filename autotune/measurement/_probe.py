"""One window of load on a running server, summarised."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence

import numpy as np

from autotune.load import ClosedLoop, LoadGenerator, LoadResult, Schedule, histogram, percentile_s
from autotune.measurement._disturbance import Surroundings
from autotune.measurement._guards import Guards
from autotune.measurement._judge import Judge, latencies_s
from autotune.measurement._model_death import check_model, ending_with_model
from autotune.measurement._options import DEFAULTS, MeasureOptions
from autotune.measurement._reasons import DisturbanceKind
from autotune.measurement._serving import Serving
from autotune.measurement._settled import Counters, settled
from autotune.measurement._types import ClientTimes, Probe, Purpose, StreamWindow
from autotune.measurement.statistics import mean_bounds
from autotune.objective import FIRST_RESPONSE, Ceiling, latency_key
from autotune.server import RunningServer

_REPORTED = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99}


def run_probe(
    server: RunningServer,
    generator: LoadGenerator,
    schedule: Schedule,
    *,
    purpose: Purpose,
    duration_s: float,
    timeout_s: float,
    ceilings: Sequence[Ceiling] = (),
    judge: Judge | None = None,
    serving: Serving | None = None,
    goodput_s: float | None = None,
    options: MeasureOptions = DEFAULTS,
) -> Probe:
    """Offers ``schedule`` for ``duration_s``, or until ``judge`` ends it, and says how the ceilings fared.

    Without ``serving`` the server is asked.

    Raises:
        ServerCrashed: The server, or a process of its model, has died.
    """
    serving = serving or Serving.of(server)
    judge = judge or Judge(ceilings, options=options, shares={each.model: each.share for each in serving.streams})
    before = Counters.now(server, serving)
    began = Surroundings.now(server)
    started_at = time.time()
    result = generator.run(schedule, duration_s, timeout_s, ending_with_model(server, judge.watch))
    check_model(server, generator, result)
    usage, invalid = Surroundings.now(server).since(began, result, ceilings)
    after = settled(server, serving, before, result, options)
    parts = {each.model: result.of_stream(place) for place, each in enumerate(serving.streams)}
    latency_s = {
        key: value for model, part in {"": result, **parts}.items() for key, value in _latencies(part, model).items()
    }
    for ceiling in ceilings:
        if ceiling.key not in latency_s:
            own = latencies_s(parts.get(ceiling.model, result), ceiling)
            latency_s[ceiling.key] = percentile_s(own, ceiling.quantile)
    means = [each for each in ceilings if each.is_mean]
    mean_bounds_s = _mean_bounds(result, options) if means and not parts else None
    seen = [each for each in ceilings if parts.get(each.model, result).requests]  # a short window may lack a model
    kept = result.requests > 0 and all(ceiling.met_by(latency_s[ceiling.key]) for ceiling in seen)
    if purpose == "certify":  # a mean is shown by its bound, not by what was seen
        kept = kept and all(each.met_by(_mean_bounds(parts.get(each.model, result), options)[1]) for each in means)
    streams = _streams(serving, parts, before, after, options)
    kept_up = _kept_up(result, options) and all(each.kept_up for each in streams)
    holds = kept and kept_up and judge.decided != "fails"
    if (
        not holds
        and not _was_kept_waiting(result, ceilings)
        and any(_breaks_without_lateness(parts.get(each.model, result), each) for each in ceilings)
    ):
        invalid = tuple(each for each in invalid if each.kind is not DisturbanceKind.CLIENT_LATE)
    return Probe(
        purpose=purpose,
        schedule=schedule,
        started_at=started_at,
        duration_s=result.duration_s,
        offered_per_s=result.offered_per_s,
        achieved_per_s=result.achieved_per_s,
        requests=result.requests,
        errors=dict(result.errors),
        latency_s=latency_s,
        lateness_p99_s=float(np.quantile(result.lateness_s, 0.99)) if result.requests else 0.0,
        server=after.model - before.model,
        kept_up=kept_up,
        holds=holds,
        client=_client_times(result),
        usage=usage,
        evidence=judge.evidence(result),
        mean_bounds_s=mean_bounds_s,
        invalid=invalid,
        stopped=judge.stopped,
        certain=judge.certain,
        error_example=result.error_example,
        batch_size=result.batch_size,
        first_response_s=_first_responses(result, ceilings),
        steps=after.since(before, serving.steps),
        called=after.since(before, serving.called),
        decoupled=serving.decoupled,
        good_per_s=None if goodput_s is None else _good_per_s(result, goodput_s),
        streams=streams,
        histogram=histogram(result.latency_s),
    )


def _good_per_s(result: LoadResult, limit_s: float) -> float:
    """Inferences/s that are answered within ``limit_s`` of their scheduled time.

    The part of the requests that were, of the rate that was asked for: how many came by chance does not count.
    """
    if not result.requests:
        return 0.0
    schedule = result.schedule
    offered_per_s = (
        result.offered_per_s if isinstance(schedule, ClosedLoop) else schedule.rate_per_s * result.batch_size
    )
    return float(np.mean(result.latency_s <= limit_s)) * offered_per_s


def _latencies(result: LoadResult, model: str) -> dict[str, float]:
    """The statistics that are always kept, of all requests or of those to one of several models."""
    found = {latency_key(name, model): result.percentile_s(quantile) for name, quantile in _REPORTED.items()}
    return {**found, latency_key("avg", model): result.mean_s}


def _streams(
    serving: Serving, parts: Mapping[str, LoadResult], before: Counters, after: Counters, options: MeasureOptions
) -> tuple[StreamWindow, ...]:
    """What the window shows of each of several models."""
    return tuple(
        StreamWindow(
            stream=each,
            offered_per_s=parts[each.model].offered_per_s,
            achieved_per_s=parts[each.model].achieved_per_s,
            requests=parts[each.model].requests,
            failed=parts[each.model].failed,
            kept_up=not parts[each.model].requests or _kept_up(parts[each.model], options),
            server=after.streams[each.model] - before.streams[each.model],
        )
        for each in serving.streams
    )


def _breaks_without_lateness(result: LoadResult, ceiling: Ceiling) -> bool:
    """Whether a percentile ceiling is broken even by what the server took after each request was really sent.

    A client that shares its cores with the server is late because of it. Latency from the scheduled time blames the
    server for that, latency from the sending does not: where both break a ceiling, it is not the client that did.
    """
    if math.isnan(ceiling.quantile):
        return False
    served_s = latencies_s(result, ceiling) - result.lateness_s
    return bool(np.count_nonzero(~ceiling.met_by(served_s)) > (1 - ceiling.quantile) * result.requests)


def _was_kept_waiting(result: LoadResult, ceilings: Sequence[Ceiling]) -> bool:
    """Whether the client was too late for the server to have done it: cores were taken away, from the server as well.

    With real-time priority a client was late by a few tenths of a millisecond on the busiest cores; while the
    hypervisor ran others on them, by several, and what the server took meanwhile was as long.
    """
    guards = Guards()
    allowed_s = guards.lateness_allowed_s(min((each.limit_s for each in ceilings), default=None))
    late_s = float(np.quantile(result.lateness_s, 0.99)) if result.requests else 0.0
    return result.real_time and late_s > max(guards.lateness_by_server_s, guards.lateness_by_server * allowed_s)


def violations(probe: Probe, ceilings: Sequence[Ceiling]) -> dict[str, float]:
    """How far each ceiling was missed, (value / limit) - 1, and the rate; at or under 0 where it was kept."""
    seen_s = {ceiling: probe.latency_s[ceiling.key] for ceiling in ceilings}
    missed = {str(ceiling): ceiling.ratio(at_s) - 1.0 for ceiling, at_s in seen_s.items() if not math.isnan(at_s)}
    achieved = probe.achieved_per_s / probe.offered_per_s if probe.offered_per_s else 0.0
    return {**missed, "rate": 0.0 if probe.kept_up else max(1.0 - achieved, 0.001)}


def _kept_up(result: LoadResult, options: MeasureOptions) -> bool:
    """Whether an open loop's completions kept pace with what it offered.

    Some requests are outstanding at the window's end even in a steady state: those that arrived in its last stretch, as
    long as nearly all of the earlier half of the answered ones took. In overload the queue grows linearly, what is
    outstanding at the end took twice as long to gather, and the test fails.
    """
    if isinstance(result.schedule, ClosedLoop):
        return True
    if not math.isfinite(result.percentile_s(0.5)):
        return False
    within_s = result.latency_s[result.scheduled_s + result.latency_s <= result.duration_s]
    earlier_s = within_s[: math.ceil(len(within_s) / 2)]
    usual_s = np.quantile(earlier_s, options.nearly_all, method="inverted_cdf") if len(earlier_s) else 0.0
    in_flight = np.count_nonzero(result.scheduled_s > result.duration_s - usual_s)
    return bool(len(within_s) >= options.kept_up * result.requests - in_flight - 1)


def _mean_bounds(result: LoadResult, options: MeasureOptions) -> tuple[float, float]:
    """Bounds of the mean latency in seconds; infinite where they are not known."""
    if not result.requests:
        return math.inf, math.inf
    return mean_bounds(result.latency_s, options.bounds_confidence, options.statistics)


def _client_times(result: LoadResult) -> ClientTimes | None:
    """The client's share of the mean latency; None where nothing was answered."""
    answered = np.isfinite(result.latency_s)
    count = int(np.count_nonzero(answered))
    if not count:
        return None
    return ClientTimes(
        total_s=float(result.latency_s[answered].mean()),
        wait_s=float(result.lateness_s[answered].mean()),
        send_s=result.send_s / result.requests,
        receive_s=result.receive_s / count,
    )


def _first_responses(result: LoadResult, ceilings: Sequence[Ceiling]) -> dict[str, float]:
    """Statistics of the latency until the first response of a stream."""
    first_s = result.first_response_s
    if first_s is None or not len(first_s):
        return {}
    finite = first_s[np.isfinite(first_s)]
    limited = {
        each.statistic.removeprefix(FIRST_RESPONSE): each.quantile for each in ceilings if each.of_first_response
    }
    named = {name: percentile_s(first_s, quantile) for name, quantile in {**_REPORTED, **limited}.items()}
    return {**named, "avg": float(finite.mean()) if len(finite) else math.inf}
