"""The cheapest questions: is the model warm, and can the ceilings be met at all."""

from __future__ import annotations

import math
from collections.abc import Callable

from autotune.measurement._judge import StopRule
from autotune.measurement._options import drain_timeout_s
from autotune.measurement._prober import Prober
from autotune.measurement._types import Probe


def warm_up(prober: Prober, clock: Callable[[], float]) -> None:
    """Offers bursts that fill the batches of all instances until latency stops falling.

    Bounded by ``warm_up_s``, and by ``warm_up_part`` of the time left, or of the trial's share of it where the model is
    slow. Bursts grow from one request for each instance, so that every instance meets batches of all sizes, and a slow
    server has answered them all before anything is measured.
    """
    options, began = prober.options, clock()
    bound_s = min(options.warm_up_bound_s(prober.server.startup_s), options.warm_up_part * prober.left_s())
    share_s = options.warm_up_part * max(0.0, prober.share_left_s())
    most_s = options.burst_part * drain_timeout_s(prober.objective)
    concurrency, settled_s = max(1, prober.instances), math.inf
    while clock() < began + bound_s:
        p50_s = prober.closed_loop("warm-up", concurrency, options.warm_up_window_s, repeat=False).latency_s["p50"]
        if not math.isfinite(p50_s):
            break
        if prober.is_slow(p50_s):
            bound_s, most_s = min(bound_s, share_s), min(most_s, share_s)
        larger = min(prober.saturating_concurrency(), int(concurrency * most_s / p50_s))
        if larger > concurrency:
            concurrency, settled_s = larger, math.inf
        elif p50_s > settled_s * (1 - options.warm_up_settled):
            break
        else:
            settled_s = p50_s


def screen(prober: Prober) -> Probe:
    """One request at a time: where that violates a ceiling, every load does.

    Ends as soon as the answer is certain, and is repeated where it is no, as a hiccup is not the config's fault; once
    more where a single late request of a few dozen decided it.
    """
    options = prober.options
    rule = StopRule(holds_alpha=options.fails_alpha, fails_alpha=options.incumbent_alpha, hopeless=True)
    for attempt in range(1, options.screen_attempts + 1):
        probe = prober.closed_loop("screen", 1, options.screen_s, rule)
        if probe.holds or (probe.certain and attempt > 1):
            break
    return probe


def may_wait_for_poll(prober: Prober) -> bool:
    """Whether one request at a time violates a ceiling only because Triton left some waiting for a poll.

    With a queue policy or priority levels, Triton 2.51 picks a waiting request up only at a 500 ms poll now and then,
    though an instance is idle: 20 of 500 requests sent one at a time, and another share after each start. More
    requests wake it, so a single request at a time does not bound every load. The fastest of all requests does.
    """
    fastest_s = min(probe.fastest_s for probe in prober.probes)
    return prober.serving.polls and all(each.met_by(fastest_s) for each in prober.objective.ceilings)
