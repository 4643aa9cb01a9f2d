"""How long and how finely to measure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from autotune.objective import Ceiling, Objective, format_duration

# 459 requests with none late are the least that show p99 <= limit at 99% confidence (MLPerf's early-stopping
# table); the same count scales to other percentiles through `requests_needed`.
_REQUESTS_PER_TAIL = 4.6
_FEWEST_REQUESTS = 100
_MAX_WINDOW_S = 10.0
_MAX_DRAIN_S = 10.0


@dataclass(frozen=True)
class MeasureOptions:
    """Lengths of the windows of a measurement, in seconds, its resolution and its confidence.

    Attributes:
        probe_s: One probe while the rate is looked for, at least; longer where the rate is too low to fill the
            percentile.
        certify_s: What one attempt takes to show that a rate holds, at most; the last one, and where requests are
            few, up to three times that.
        confirm_s: The probe at a rate that was asked for (``--objective latency``).
        screen_s: The most the concurrency-1 probe takes that decides whether the ceilings can be kept at all.
        warm_up_s: The most a warm-up takes.
        resolution: Looking for the rate ends when the failing one is within this fraction of the holding one.
        margin: How far below the located rate the certified one lies, at least. Nearer to it late requests cluster
            more, and a proof takes longer.
        confidence: Asked of the certificate.
        max_concurrency: The most requests outstanding; None for as many as the config can use.
        seed: Base seed of the Poisson schedules; every probe draws its own from it.
    """

    probe_s: float = 1.0
    certify_s: float = 10.0
    confirm_s: float = 3.0
    screen_s: float = 0.3
    warm_up_s: float = 2.0
    resolution: float = 0.03
    margin: float = 0.08
    confidence: float = 0.95
    max_concurrency: int | None = None
    seed: int = 0

    @classmethod
    def of(cls, probe_s: float, seed: int = 0) -> MeasureOptions:
        """Options in proportion to the length of a probe."""
        return cls(probe_s=probe_s, certify_s=10 * probe_s, confirm_s=3 * probe_s, screen_s=0.3 * probe_s, seed=seed)

    def conditions(self) -> str:
        """The windows in words; rates located with other windows cannot be compared."""
        return f"probes of {format_duration(self.probe_s)}"

    def window_s(self, at_least_s: float, requests_per_s: float, objective: Objective) -> float:
        """A window that holds enough requests for the strictest percentile and outlasts the longest limit tenfold.

        Bounded at 10 s, so a slow model is judged on fewer requests rather than not at all.
        """
        wanted_s = max((10 * ceiling.limit_s for ceiling in objective.ceilings), default=0.0)
        if requests_per_s > 0:
            wanted_s = max(wanted_s, requests_needed(objective) / requests_per_s)
        return max(at_least_s, min(wanted_s, _MAX_WINDOW_S))


def requests_needed(objective: Objective) -> int:
    """Requests in a window for the strictest percentile to mean something: 460 for p99, 100 at least."""
    statistics = [ceiling.quantile for ceiling in objective.ceilings]
    if objective.goal == "latency":
        statistics.append(Ceiling(objective.optimised_statistic, math.inf).quantile)
    tails = [1 - quantile for quantile in statistics if not math.isnan(quantile)]
    return max(_FEWEST_REQUESTS, round(_REQUESTS_PER_TAIL / min(tails))) if tails else _FEWEST_REQUESTS


def drain_timeout_s(objective: Objective) -> float:
    """How long after a window the outstanding requests may take before they count as lost.

    As long as the longest limit at least. Without a ceiling nothing says how late is too late: 10 s.
    """
    longest_s = max((ceiling.limit_s for ceiling in objective.ceilings), default=math.inf)
    return max(longest_s, min(_MAX_DRAIN_S, 4 * longest_s + 0.5)) if math.isfinite(longest_s) else _MAX_DRAIN_S
