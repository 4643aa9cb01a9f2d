"""Whether a config carries more than another one that was measured before: most do not, and soon show it."""

from __future__ import annotations

from autotune.measurement._judge import StopRule
from autotune.measurement._prober import Prober
from autotune.measurement._types import Probe

_ATTEMPTS = 3
_RULE = StopRule(fails_alpha=0.01, hopeless=True)


def race(prober: Prober, rate_per_s: float) -> Probe:
    """Offers ``rate_per_s`` inferences/s; ends as soon as it is clear that it breaks the promise.

    A window that broke it without being certain of it, which a single pause of the machine may do, is run again, twice
    at most: pauses come in spells, and a config that lost is not looked at again. Where it holds in the end, the
    windows before do not count: what a pause broke in them would contradict all that holds above this rate.
    """
    lost: list[Probe] = []
    for _ in range(_ATTEMPTS):
        probe = prober.at_rate("race", rate_per_s, prober.options.probe_s, _RULE)
        if probe.holds:
            prober.disregard(lost)
            break
        lost.append(probe)
        if probe.certain:
            break
    return probe
