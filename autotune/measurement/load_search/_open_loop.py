"""The rate of an open loop as the axis of a load search."""

from __future__ import annotations

import math
from collections.abc import Sequence

from autotune.measurement._judge import StopRule
from autotune.measurement._prober import Prober
from autotune.measurement._question import Question
from autotune.measurement._reasons import Infeasible
from autotune.measurement._types import Probe, Purpose
from autotune.measurement.load_search._axis import Found
from autotune.measurement.load_search._counts import allowed, counts, strictest
from autotune.measurement.statistics import bracket, locate, next_rate
from autotune.objective import Ceiling


class RateAxis:
    """Levels are inferences/s of Poisson arrivals. The answer is the rate at which a fit of all windows crosses.

    Args:
        prober: Runs the windows; those it ran before count too.
        question: Where to begin, and how much time to take.
        alone_per_s: Inferences/s of one request at a time; None where that was not seen.
        saturated_per_s: What a saturating closed loop completed; None where that was not seen.
    """

    monotone = True
    slack = 0.0

    def __init__(
        self,
        prober: Prober,
        question: Question,
        alone_per_s: float | None = None,
        saturated_per_s: float | None = None,
    ) -> None:
        self.prober = prober
        self._question = question
        options = prober.options
        known_per_s = question.around_per_s
        if known_per_s is None and saturated_per_s is None:
            duration_s = min(options.saturate_s, options.probe_s)
            probe = prober.closed_loop("saturate", prober.saturating_concurrency(), duration_s, repeat=False)
            saturated_per_s = probe.achieved_per_s
        saturated_per_s = max(saturated_per_s or 0.0, alone_per_s or 0.0)
        if prober.serving.polls and known_per_s is None:  # a closed loop stands still until Triton's next poll
            saturated_per_s = max(saturated_per_s, prober.capacity_per_s())
        least_per_s = options.give_up_below * (known_per_s or 0.0 if alone_per_s is None else alone_per_s)
        self._start = options.first_of_saturation * saturated_per_s if known_per_s is None else known_per_s
        self._highest = options.beyond_saturation * saturated_per_s if known_per_s is None else math.inf
        self._least = least_per_s

    def first(self) -> tuple[float | None, float]:
        """See `LoadAxis`."""
        return self._question.beat_per_s, max(self._start, self._least)

    def offer(self, purpose: Purpose, level: float, at_least_s: float, rule: StopRule) -> Probe:
        """See `LoadAxis`."""
        return self.prober.at_rate(purpose, level, at_least_s, rule)

    def level(self, probe: Probe) -> float | None:
        """See `LoadAxis`."""
        return probe.asked_per_s if probe.concurrency is None else None

    def per_s(self, level: float) -> float:
        """See `LoadAxis`."""
        return level

    def lower(self, level: float, by: float) -> float:
        """See `LoadAxis`."""
        return level / by

    def next(self, probes: Sequence[Probe], spent_s: float) -> float | None:
        """Where the crossing is thought to be; None once it is known well enough, or the time is over."""
        if spent_s and self._done(probes, spent_s):
            return None
        if probes and self.level(probes[-1]) == self._highest:
            self._highest = math.inf  # it held beyond what saturated
        level = min(self._next(probes, each) for each in self.prober.objective.ceilings)
        if len(probes) > 1 and not any(probe.holds for probe in probes):
            level = min(level, self.prober.options.step_down * min(probe.asked_per_s for probe in probes))
        if level < self._least:
            return None
        return min(level, self._highest)

    def settle(self, probes: Sequence[Probe]) -> Found:
        """The fitted rate, decided by the highest window that met every ceiling."""
        ceiling, location = strictest(probes, self.prober.objective.ceilings, self.level, self.prober.options)
        ends = bracket(counts(probes, ceiling, self.level, self.prober.options), allowed(ceiling))
        held = self.prober.highest_holding()
        failing = min((probe.asked_per_s for probe in probes if not probe.holds), default=None)
        if held is None or not ends.holds_per_s:
            return Found(self.prober.nearest_miss(), failing=failing, reason=Infeasible.NO_LOAD)
        failing = ends.fails_per_s if math.isfinite(ends.fails_per_s) else None
        return Found(held, location.rate_per_s, location.rate_per_s, failing)

    def _done(self, probes: Sequence[Probe], spent_s: float) -> bool:
        options, effort = self.prober.options, self._question.effort
        ceiling, location = strictest(probes, self.prober.objective.ceilings, self.level, self.prober.options)
        ends = bracket(counts(probes, ceiling, self.level, self.prober.options), allowed(ceiling))
        # A rough answer is good enough once its standard error is about the resolution: 3.3 of them are 90%.
        if location.relative_width <= options.resolution * (1.0 if effort >= 1 else options.rough_widths):
            return True
        if self._question.brief:
            most_s = options.round_windows * options.round_s * (1 if math.isfinite(ends.fails_per_s) else 2)
            return spent_s >= most_s and ends.holds_per_s > 0
        if not ends.holds_per_s:
            return False
        share = self.prober.objective.shares.get(ceiling.model, 1.0)
        enough = options.enough_requests * self.prober.batch_size / (location.rate_per_s * share)
        lengths = min(options.most_lengths, max(options.least_lengths, enough))
        spent = spent_s / (effort * lengths * options.probe_s)
        narrow = ends.fails_per_s <= ends.holds_per_s * options.narrow
        return spent >= options.patience or (spent >= 1 and narrow)

    def _next(self, probes: Sequence[Probe], ceiling: Ceiling) -> float:
        """Where to look next; below the bracket where it is closed and yet hardly to be believed."""
        options = self.prober.options
        points, allowed_late = counts(probes, ceiling, self.level, options), allowed(ceiling)
        ends = bracket(points, allowed_late)
        if ends.fails_per_s > ends.holds_per_s * (1 + options.resolution):
            return next_rate(points, allowed_late, options.statistics)
        location = locate(points, allowed_late, options=options.statistics)
        return max(options.step_back * ends.holds_per_s, min(location.rate_per_s, ends.holds_per_s))
