"""What windows counted against the ceilings, by level."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from autotune.load import OpenLoop
from autotune.measurement._options import MeasureOptions
from autotune.measurement._types import Probe
from autotune.measurement.statistics import Location, RateCounts, locate
from autotune.objective import Ceiling


def strictest(
    probes: Sequence[Probe],
    ceilings: Sequence[Ceiling],
    level: Callable[[Probe], float | None],
    options: MeasureOptions,
) -> tuple[Ceiling, Location]:
    """The ceiling that is violated first, and at which level."""
    located = [
        (each, locate(counts(probes, each, level, options), allowed(each), options=options.statistics))
        for each in ceilings
    ]
    return min(located, key=lambda each: each[1].rate_per_s)


def counts(
    probes: Sequence[Probe], ceiling: Ceiling, level: Callable[[Probe], float | None], options: MeasureOptions
) -> list[RateCounts]:
    """What each window that has a level counted against one ceiling.

    A mean is met or not, and so is a rate at which the queue grew though no request was late yet: such a window
    counts as some requests that were all in time, or all late.
    """
    return [
        _counts(probe, ceiling, at, options.plain_requests)
        for probe in probes
        if (at := level(probe)) is not None and not _lacks(probe, ceiling)
    ]


def _lacks(probe: Probe, ceiling: Ceiling) -> bool:
    """Whether none of the window's requests went to the model that the ceiling is for."""
    stream = probe.of_model(ceiling.model)
    return stream is not None and not stream.requests


def _counts(probe: Probe, ceiling: Ceiling, level: float, plain: int) -> RateCounts:
    evidence = next((each for each in probe.evidence if each.ceiling == str(ceiling)), None)
    stream = probe.of_model(ceiling.model)
    kept_up = probe.kept_up if stream is None else stream.kept_up
    met = ceiling.met_by(probe.latency_s[ceiling.key])
    if evidence is None or len(evidence.levels) < 2 or (met and not kept_up):  # no levels: nothing was counted
        return RateCounts(level, plain, 0 if kept_up and met else plain)
    (requests, late), slow, *_ = evidence.levels
    came, spread = 1.0, 0.0
    if isinstance(probe.schedule, OpenLoop) and probe.schedule.dispersion:
        came = probe.offered_per_s / probe.asked_per_s
        if stream is not None:
            came = stream.offered_per_s / (probe.asked_per_s * stream.stream.share)
        spread = math.sqrt(probe.schedule.dispersion / max(1, evidence.requests))
    return RateCounts(level, requests, late, came=came, came_spread=spread, slow=slow)


def allowed(ceiling: Ceiling) -> float:
    """The fraction of requests that may be late; for a mean any fraction will do, as all of them are or none."""
    return 0.5 if math.isnan(ceiling.quantile) else 1 - ceiling.quantile
