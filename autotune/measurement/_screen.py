"""The cheapest questions: is the model warm, and can the promise be kept at all."""

from __future__ import annotations

import math
from collections.abc import Callable

from autotune.measurement._judge import StopRule
from autotune.measurement._prober import Prober
from autotune.measurement._types import Probe

_WARM_UP_WINDOW_S = 0.2
_WARM_UP_SETTLED = 0.05
_ATTEMPTS, _WHERE_CERTAIN = 3, 2
_RULE = StopRule(holds_alpha=0.05, fails_alpha=0.01, hopeless=True)


def warm_up(prober: Prober, clock: Callable[[], float]) -> None:
    """Offers one request at a time until latency stops falling; bounded by ``warm_up_s``."""
    deadline = clock() + prober.options.warm_up_s
    best_s = math.inf
    while clock() < deadline:
        p50_s = prober.closed_loop("warm-up", 1, _WARM_UP_WINDOW_S, repeat=False).latency_s["p50"]
        if p50_s > best_s * (1 - _WARM_UP_SETTLED):
            return
        best_s = p50_s


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
