"""The cheapest questions: is the model warm, and can the promise be kept at all."""

from __future__ import annotations

import math
from collections.abc import Callable

from autotune.measurement._judge import StopRule
from autotune.measurement._prober import Prober
from autotune.measurement._types import Probe

_ALONE_S, _BURST_S = 0.2, 0.1
_WARM_UP_SETTLED = 0.05
# The most that a burst may leave each instance to do should it answer one request after the other.
_BURST_WORK_S = 1.0
_ATTEMPTS, _WHERE_CERTAIN = 3, 2
_RULE = StopRule(holds_alpha=0.05, fails_alpha=0.01, hopeless=True)


def warm_up(prober: Prober, clock: Callable[[], float]) -> None:
    """Offers one request at a time, as many as fill the batches of all instances, and one again; within ``warm_up_s``.

    The latter two until latency stops falling. What a framework does when an instance first meets a batch of some size,
    and a server when as many connect, would otherwise be told of the config's first windows.
    """
    deadline = clock() + prober.options.warm_up_s
    alone_s = _p50_s(prober, 1)
    filling = min(prober.saturating_concurrency(), prober.instances * max(1, int(_BURST_WORK_S / alone_s)))
    for concurrency, seen_s in ((filling, math.inf), (1, alone_s)):
        settled_s = seen_s
        while clock() < deadline:
            p50_s = _p50_s(prober, concurrency)
            if p50_s > settled_s * (1 - _WARM_UP_SETTLED):
                break
            settled_s = p50_s


def _p50_s(prober: Prober, concurrency: int) -> float:
    window_s = _ALONE_S if concurrency == 1 else _BURST_S
    return prober.closed_loop("warm-up", concurrency, window_s, repeat=False).latency_s["p50"]


def screen(prober: Prober) -> Probe:
    """One request at a time: where that breaks a ceiling, every load does.

    Ends as soon as the answer is certain, and is asked twice where it is no, as a hiccup is not the config's
    fault; once more where a single late request of a few dozen decided it.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        probe = prober.closed_loop("screen", 1, prober.options.screen_s, _RULE)
        if probe.holds or (probe.certain and attempt >= _WHERE_CERTAIN):
            break
    return probe
