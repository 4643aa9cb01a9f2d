"""The cheapest questions: is the model warm, and can the promise be kept at all."""

from __future__ import annotations

import math
from collections.abc import Callable

from autotune.measurement._judge import StopRule
from autotune.measurement._options import drain_timeout_s
from autotune.measurement._prober import Prober
from autotune.measurement._types import Probe

_WARM_UP_WINDOW_S = 0.1
_WARM_UP_SETTLED = 0.05
# Of the time that answers are waited for: the most that the median one of a burst may take, so that all come in time.
_BURST_PART = 0.5
_ATTEMPTS, _WHERE_CERTAIN = 3, 2
_RULE = StopRule(holds_alpha=0.05, fails_alpha=0.01, hopeless=True)


def warm_up(prober: Prober, clock: Callable[[], float]) -> None:
    """Offers bursts that fill the batches of all instances, then one request at a time, until latency stops falling.

    Bounded by ``warm_up_s``. What a framework does when an instance first meets a batch of some size, and a server when
    as many connect, would otherwise be told of the config's first windows. Bursts grow from one request for each
    instance, so that a slow server has answered them all before anything is measured.
    """
    deadline = clock() + prober.options.warm_up_s
    most_s = _BURST_PART * drain_timeout_s(prober.objective)
    concurrency, settled_s = max(1, prober.instances), math.inf
    while clock() < deadline:
        p50_s = _p50_s(prober, concurrency)
        if not math.isfinite(p50_s):
            break
        larger = min(prober.saturating_concurrency(), int(concurrency * most_s / p50_s))
        if larger > concurrency:
            concurrency, settled_s = larger, math.inf
        elif p50_s > settled_s * (1 - _WARM_UP_SETTLED):
            break
        else:
            settled_s = p50_s
    settled_s = math.inf
    while clock() < deadline:
        p50_s = _p50_s(prober, 1)
        if p50_s > settled_s * (1 - _WARM_UP_SETTLED):
            break
        settled_s = p50_s


def _p50_s(prober: Prober, concurrency: int) -> float:
    return prober.closed_loop("warm-up", concurrency, _WARM_UP_WINDOW_S, repeat=False).latency_s["p50"]


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
