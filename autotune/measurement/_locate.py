"""The rate at which a ceiling breaks, from a few windows around it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autotune.load import PoissonRate
from autotune.measurement._judge import StopRule
from autotune.measurement._options import MeasureOptions
from autotune.measurement._prober import Prober
from autotune.measurement._question import LOCATED_RATE, Question
from autotune.measurement._types import Probe
from autotune.measurement.statistics import Location, RateCounts, bracket, locate, next_rate
from autotune.objective import Ceiling

_SATURATE_S = 0.5
_FIRST_FRACTION_OF_SATURATION = 0.9
_GIVE_UP_BELOW = 0.05
_MOST_PROBES = 20
# Enough to settle it within some percent near saturation, where a few hundred requests are worth one; in an effort of 1
# and more, and as the measure of smaller ones.
_ENOUGH_REQUESTS, _ENOUGH_SHORT = 48_000, 35_000
# Time alone does not settle it while the lowest failing rate lies this far above the highest holding one ...
_NARROW = 1.08
# ... unless this many times as much was spent.
_PATIENCE = 2.5
_LEAST_LENGTHS, _MOST_LENGTHS = 6.0, 22.0  # of a probe
# While nothing has failed yet, looking goes on little beyond what a saturating closed loop carried.
_BEYOND_SATURATION = 1.03
# A window that breaks a ceiling for certain need not go on; the fit takes it as it is. Where time is short, nor need
# one that will: whether a pause did it or the rate is then left to the windows around it.
_RULE = StopRule(fails_alpha=0.01)
_SHORT_RULE = StopRule(fails_alpha=0.05, hopeless=True)
# How far below a rate that held, though its neighbours speak against it, is looked again.
_STEP_BACK = 0.93
# What a window without counts is worth, one judged by its mean or by a queue that grew: independent requests.
_PLAIN_REQUESTS = 50


@dataclass(frozen=True)
class Located:
    """Where the ceilings break.

    Attributes:
        rate_per_s: The estimate, in inferences/s: of the strictest ceiling.
        failing_per_s: The lowest rate above which one is seen to break; None where none is.
    """

    rate_per_s: float
    failing_per_s: float | None


def locate_rate(
    prober: Prober, screened: Probe, question: Question = LOCATED_RATE, saturated: Probe | None = None
) -> Located | None:
    """The highest rate that keeps every ceiling; None where even a small part of ``screened`` breaks one.

    Args:
        prober: Runs the windows; those it ran before count too.
        screened: One request at a time.
        question: Where to begin: around a rate that is expected, else below saturation; above one that was raced.
        saturated: A closed loop that gave the server always enough to do; run here where it is wanted.
    """
    options = prober.options
    ceilings = prober.objective.ceilings
    alone_per_s = _alone_per_s(screened)
    rate: float | None
    if question.around_per_s is not None:
        rate, highest = max(question.around_per_s, alone_per_s * _GIVE_UP_BELOW), math.inf
    else:
        saturation = max((saturated or _saturated(prober)).achieved_per_s, alone_per_s)
        rate, highest = saturation * _FIRST_FRACTION_OF_SATURATION, saturation * _BEYOND_SATURATION
    if question.beat_per_s is not None and rate <= question.beat_per_s:
        rate = None  # that it held there is known
    rule, enough_requests = (_RULE, _ENOUGH_REQUESTS) if question.effort >= 1 else (_SHORT_RULE, _ENOUGH_SHORT)
    spent_s, doubted = 0.0, False
    for _ in range(_MOST_PROBES):
        if rate is None:
            rate = min(
                highest, *(_next_rate(counts(prober.counted, each), allowed(each), options) for each in ceilings)
            )
        if rate < alone_per_s * _GIVE_UP_BELOW:
            return None
        # A longer window shows a queue that grows more slowly; one that fails ends early.
        longer = min(1.0, question.effort) if spent_s else 0.0
        probe = prober.at_rate("locate", rate, options.probe_s * (1 + longer), rule)
        spent_s += probe.duration_s
        ceiling, location = strictest(prober.counted, ceilings)
        ends = bracket(counts(prober.counted, ceiling), allowed(ceiling))
        lengths = min(_MOST_LENGTHS, max(_LEAST_LENGTHS, enough_requests * prober.batch_size / location.rate_per_s))
        spent = spent_s / (question.effort * lengths * options.probe_s)
        narrow = ends.fails_per_s <= ends.holds_per_s * _NARROW
        enough = ends.holds_per_s and (spent >= _PATIENCE or (spent >= 1 and narrow))
        if location.relative_width <= options.resolution or enough:
            break
        # The first that fails is asked again: a pause may have done it, and a bracket that is too low is hardly left.
        beyond = probe.asked_per_s >= highest
        rate = None if doubted or beyond or probe.holds or probe.certain else probe.asked_per_s
        doubted = doubted or rate is not None
        if beyond:
            highest = math.inf
    if not ends.holds_per_s:
        return None
    return Located(location.rate_per_s, ends.fails_per_s if math.isfinite(ends.fails_per_s) else None)


def _next_rate(points: Sequence[RateCounts], allowed_late: float, options: MeasureOptions) -> float:
    """Where to look next; below the bracket where it is closed and yet hardly to be believed."""
    ends = bracket(points, allowed_late)
    if ends.fails_per_s > ends.holds_per_s * (1 + options.resolution):
        return next_rate(points, allowed_late)
    location = locate(points, allowed_late)
    return max(_STEP_BACK * ends.holds_per_s, min(location.rate_per_s, ends.holds_per_s))


def strictest(probes: Sequence[Probe], ceilings: Sequence[Ceiling]) -> tuple[Ceiling, Location]:
    """The ceiling that breaks first, and where."""
    located = [(ceiling, locate(counts(probes, ceiling), allowed(ceiling))) for ceiling in ceilings]
    return min(located, key=lambda each: each[1].rate_per_s)


def counts(probes: Sequence[Probe], ceiling: Ceiling) -> list[RateCounts]:
    """What each open-loop window counted against one ceiling.

    A mean is kept or not, and so is a rate at which the queue grew though no request was late yet: such a window
    counts as some requests that were all in time, or all late.
    """
    return [_counts(probe, ceiling) for probe in probes if probe.concurrency is None]


def _counts(probe: Probe, ceiling: Ceiling) -> RateCounts:
    evidence = next((each for each in probe.evidence if each.ceiling == str(ceiling)), None)
    broken = not ceiling.met_by(probe.latency_s[ceiling.statistic])
    if evidence is None or (not broken and not probe.kept_up):
        kept = probe.kept_up and not broken
        return RateCounts(probe.asked_per_s, _PLAIN_REQUESTS, 0 if kept else _PLAIN_REQUESTS)
    (requests, late), slow, *_ = evidence.levels
    came, spread = 1.0, 0.0
    if isinstance(probe.schedule, PoissonRate):
        came, spread = probe.offered_per_s / probe.asked_per_s, 1 / math.sqrt(evidence.requests)
    return RateCounts(probe.asked_per_s, requests, late, came=came, came_spread=spread, slow=slow)


def allowed(ceiling: Ceiling) -> float:
    """The fraction of requests that may be late; for a mean any fraction will do, as all of them are or none."""
    return 0.5 if math.isnan(ceiling.quantile) else 1 - ceiling.quantile


def _alone_per_s(screened: Probe) -> float:
    """Inferences/s of one request at a time; the window may be shorter than a single one takes."""
    return max(screened.achieved_per_s, screened.batch_size / screened.latency_s["avg"])


def _saturated(prober: Prober) -> Probe:
    """A window in which the server always has enough to do."""
    duration_s = min(_SATURATE_S, prober.options.probe_s)
    return prober.closed_loop("saturate", prober.saturating_concurrency(), duration_s, repeat=False)
