"""Ranks a model that is too slow for a percentile: what it completes in a closed loop whose mean latency leaves room.

A p99 takes hundreds of requests; throughput and mean latency are known after a few executions of each instance.
"""

from __future__ import annotations

import math

from autotune.measurement._judge import StopRule
from autotune.measurement._prober import Prober
from autotune.measurement._question import Question
from autotune.measurement._reasons import Infeasible
from autotune.measurement._types import Probe
from autotune.measurement.load_search._axis import Found


def too_slow(prober: Prober, alone: Probe) -> bool:
    """Whether the question's share of the time is too short for windows that the strictest percentile takes.

    Never of several models, or under a ceiling on first responses: the mean latency of a closed loop says little of
    each model's, or of when answers begin.
    """
    objective = prober.objective
    if objective.weights or any(each.of_first_response for each in objective.ceilings):
        return False
    return prober.is_slow(prober.alone_s(alone))


def rank(prober: Prober, question: Question, alone: Probe) -> Found:
    """About what a config sustains, by a few short windows of a closed loop.

    Outstanding requests are chosen so that their mean latency is a part of the limit (Little's law), or as many as the
    question's share of the time leaves room for, and one for each instance at least. For random arrivals the throughput
    is lowered by what bursts take, see `sustained_part`. If too many were outstanding in each window, fewer complete
    less in proportion at worst: throughput is concave in their number.

    Args:
        prober: Runs the windows.
        question: The incumbent's throughput, if there is one: a config that completes clearly less is pruned.
        alone: One request at a time, which met every ceiling.
    """
    options = prober.options
    alone_s = prober.alone_s(alone)
    held, held_per_s, at_least_per_s = alone, alone.batch_size / alone_s * _part(prober, alone), 0.0
    wanted, seen = options.shy * prober.instances * _room(prober, alone_s), [1]
    answered_per_s = prober.instances / alone_s
    for windows_left in range(options.rank_windows, 0, -1):
        in_time = prober.share_left_s() / windows_left * answered_per_s
        level = min(options.max_concurrency, max(prober.instances, round(min(wanted, in_time))))
        factor = options.near_concurrency
        near = len(seen) > 1 and any(each / factor < level < each * factor for each in seen)
        if near or (held is not alone and level <= (held.concurrency or 1)):  # nothing new, or the share is used up
            break
        least_s = prober.share_left_s() / (2 * options.rank_windows)
        length_s = max(options.rank_executions * alone_s, min(options.max_window_s, least_s))
        probe = prober.closed_loop("locate", level, length_s, StopRule(), repeat=False)
        seen.append(level)
        completed = completed_per_s(probe, prober.instances)
        answered_per_s = max(answered_per_s, completed / probe.batch_size)
        per_s = completed * _part(prober, probe)
        # The first wave of requests waits for less than later ones do.
        mean_s = max(probe.latency_s["avg"], level * probe.batch_size / completed) if completed else math.inf
        room = _room(prober, mean_s)
        if question.beat_per_s and per_s < (1 - options.collapse) * question.beat_per_s and room < options.most_growth:
            return Found(probe, per_s, reason=Infeasible.PRUNED)
        if not probe.holds or room < 1:
            at_least_per_s = max(at_least_per_s, min(1.0, room) * per_s)
        elif held is alone or per_s > held_per_s:  # a loaded window says more than one request at a time
            held, held_per_s = probe, per_s
        wanted = level * min(options.most_growth, options.shy * room)
    found_per_s = max(held_per_s, at_least_per_s) if held is alone else held_per_s
    return Found(held, found_per_s, float(held.concurrency or 1) if prober.objective.load == "closed" else found_per_s)


def completed_per_s(probe: Probe, instances: int) -> float:
    """Inferences/s: of instances that were busy beyond the window's end by the time that they took."""
    server = probe.server
    if probe.steps or not server.inference_count or not server.busy_s:  # an ensemble has no instances of its own
        return probe.achieved_per_s
    return server.inference_count / max(probe.duration_s, server.busy_s / instances)


def sustained_part(
    instances: int, execution_s: float, slack_s: float, allowed: float, dispersion: float = 1.0
) -> float:
    """The part of a closed loop's throughput that random arrivals may have for a wait of ``slack_s`` to be rare.

    The wait for n servers of constant service time S has a tail of about exp(-2 n (1 - rho) / (rho c S) t) near
    saturation, for arrivals of dispersion c (Kingman, On Queues in Heavy Traffic, J. Royal Stat. Soc. B 24, 1962);
    solved for rho.

    Args:
        instances: n.
        execution_s: S in seconds.
        slack_s: Seconds that a request may wait; with none or less it is as much as one execution leaves.
        allowed: Fraction of the requests that may wait longer.
        dispersion: c, see `autotune.arrivals.Arrivals.dispersion`.
    """
    if slack_s <= 0:
        return 1 / (1 - dispersion * math.log(allowed))
    return 1 / (1 - dispersion * math.log(allowed) * execution_s / (2 * instances * slack_s))


def _part(prober: Prober, probe: Probe) -> float:
    """`sustained_part` under the strictest percentile; 1 for a closed loop's own clients."""
    server = probe.server
    if prober.objective.load == "closed" or not server.execution_count:
        return 1.0
    execution_s = server.busy_s / server.execution_count
    dispersion = prober.objective.arrivals.dispersion
    return min(
        (
            sustained_part(prober.instances, execution_s, each.limit_s - execution_s, 1 - each.quantile, dispersion)
            for each in prober.objective.ceilings
            if not math.isnan(each.quantile)
        ),
        default=1.0,
    )


def _room(prober: Prober, mean_s: float) -> float:
    """What the mean latency may be, as a multiple of what it is."""
    part = prober.options.mean_of_limit
    return min(
        each.limit_s * (1.0 if math.isnan(each.quantile) else part) / mean_s for each in prober.objective.ceilings
    )
