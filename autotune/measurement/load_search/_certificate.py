"""Proves, with a stated confidence and within a time limit, that a level meets every ceiling."""

from __future__ import annotations

import math
from dataclasses import dataclass

from autotune.measurement._judge import StopRule
from autotune.measurement._prober import TimeIsUp
from autotune.measurement._types import Probe
from autotune.measurement.load_search._axis import LoadAxis

Counted = tuple[tuple[tuple[float, float], ...], ...]


@dataclass(frozen=True)
class Certificate:
    """The outcome of a certificate.

    Attributes:
        probe: The window that decided, the last one where no level held.
        confidence: That its level meets every ceiling; what earlier attempts spent is taken off. 0 where nothing was
            proved.
        kept: Whether its level met the ceilings.
        missing_s: Seconds of further load that would have proved it; 0 where it was proved, infinite where unknown.
    """

    probe: Probe
    confidence: float
    kept: bool
    missing_s: float = 0.0


@dataclass
class _Test:
    """The running test: what earlier windows showed, and the chance of being wrong that is left."""

    left: float
    part: float
    alpha: float = 0.0
    earlier: Counted = ()

    def restart(self) -> None:
        """Begins anew with a part of the chance that is left: all tests together stay within it."""
        self.alpha = self.part * self.left
        self.left -= self.alpha
        self.earlier = ()


def certify(axis: LoadAxis, level: float, within_s: float = math.inf, failing: float | None = None) -> Certificate:
    """Tests ``level`` with fresh arrivals, and lower ones, until one is proved or the time is over.

    A window that proves nothing shows how much load is missing. If that fits into the time left, the next window is as
    long and goes on with the same test. Else the level is lowered, the further the more is missing: requests cluster
    less there. What was seen at a higher level counts for a lower one of an open loop. Where it does not, or spoke
    against the ceilings, the next test begins anew with a smaller chance of being wrong, so that all together stay
    within 1 - confidence.

    Where nothing was proved, the level that held below every one that failed and lacks the least further load is the
    answer, without any confidence. Where none held, short windows look for one that does. If only means have ceilings,
    the first window in which their upper bounds meet them is the proof.

    Args:
        axis: What the level is of.
        level: Where to begin.
        within_s: How long at most, beside ``MeasureOptions.certify_s``.
        failing: The lowest level that was seen to fail before; None for none.
    """
    prober, options = axis.prober, axis.prober.options
    wanted = 1 - options.confidence
    test = _Test(wanted, options.alpha_part)
    test.restart()
    all_s = min(options.certify_s, within_s)
    first, step = len(prober.probes), options.first_step
    window_s = shortest_s = max(options.least_certify_s, options.certify_windows * options.probe_s)
    attempts: list[tuple[Probe, float, float]] = []
    probe = None
    while (left_s := all_s - sum(each.duration_s for each in prober.probes[first:])) >= options.least_certify_s:
        rule = StopRule(test.alpha, options.fails_alpha, hopeless=True, earlier=test.earlier)
        try:
            probe = axis.offer("certify", level, min(left_s, window_s), rule)
        except TimeIsUp:
            if probe is None:
                raise
            break
        if probe.holds and all(each.is_mean for each in prober.objective.ceilings):
            return Certificate(probe, options.bounds_confidence, kept=True)
        left_s -= probe.duration_s
        sure = min((each.confidence for each in probe.evidence), default=0.0)
        missing_s = max((each.missing_s for each in probe.evidence), default=math.inf)
        if probe.holds and sure >= 1 - test.alpha:
            return Certificate(probe, 1 - (1 - sure) * wanted / test.alpha, kept=True)
        attempts.append((probe, level, missing_s))
        promising = probe.holds and all(
            each.late <= options.comfortable * each.allowed * each.requests for each in probe.evidence
        )
        goes_on = promising and missing_s <= options.patient_part * left_s
        if promising and (goes_on or axis.monotone):
            test.earlier = tuple(each.effective for each in probe.evidence)
        else:
            test.restart()
        window_s = shortest_s
        if goes_on:
            # Without a proof nothing is missing where the window was too short to show how requests cluster.
            window_s = max(window_s, options.missing_margin * missing_s if missing_s else 2 * probe.duration_s)
            continue
        lower = step
        if promising and left_s > 0:
            too_much = missing_s / (options.patient_part * left_s)
            lower = max(step, min(options.largest_certify_step, too_much**options.missing_power))
        level = axis.lower(level, lower)
        step *= options.step_grows
    if probe is None:
        raise TimeIsUp("no time is left for a certificate; give a longer --time-budget")
    below = min([failing or math.inf, *(at for each, at, _ in attempts if not each.holds)])
    held = [each for each in attempts if each[0].holds and each[1] < below]
    if held:
        probe, _, missing_s = min(held, key=lambda each: each[2])
        return Certificate(probe, 0.0, kept=True, missing_s=missing_s)
    return _retreat(axis, min(level, below), probe)


def _retreat(axis: LoadAxis, level: float, probe: Probe) -> Certificate:
    """The first lower level that meets the ceilings in a short window; nothing is proved by it.

    ``probe`` is the window that decides if there is no time for another one.
    """
    options = axis.prober.options
    rule = StopRule(fails_alpha=options.fails_alpha, hopeless=True)
    for _ in range(options.retreats):
        level = axis.lower(level, options.retreat)
        try:
            probe = axis.offer("certify", level, options.probe_s, rule)
        except TimeIsUp:
            break
        if probe.holds:
            return Certificate(probe, 0.0, kept=True, missing_s=math.inf)
    return Certificate(probe, 0.0, kept=False, missing_s=math.inf)
