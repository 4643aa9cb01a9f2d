"""Shows, with a stated confidence, that a level meets every ceiling."""

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
    """The outcome of the attempts.

    Attributes:
        probe: The window that decided, the last one where none held.
        confidence: That its level meets every percentile ceiling; what earlier attempts spent is taken off.
        kept: Whether the level met the ceilings, be it with less confidence than was asked for.
    """

    probe: Probe
    confidence: float
    kept: bool


def certify(
    axis: LoadAxis, level: float, effort: float = 1.0, within_s: float = math.inf, failing: float | None = None
) -> Certificate:
    """Tests ``level`` with fresh arrivals, and lower ones while it is not proved.

    An attempt ends as soon as its window is seen to be too short for a proof. What it showed counts for the next one
    where that goes on at the same level, or a lower one cannot have more late requests. Else the next starts anew with
    half the chance of being wrong. The first takes half of it, so that all together stay within 1 - confidence.

    Where no attempt was proved, the surest that held below every one that failed counts, and where none did, short
    windows look for a level that does. An attempt that does not fit into the time left is not made.

    Args:
        axis: What the level is of.
        level: Where to begin.
        effort: How long to try, in parts of the usual length.
        within_s: How long at most, whatever the effort.
        failing: The lowest level that was seen to fail before; None for none.
    """
    prober, options = axis.prober, axis.prober.options
    wanted = 1 - options.confidence
    alpha = wanted / 2
    earlier: Counted = ()
    step = options.first_step
    enough = max(options.enough_to_certify, options.batches_to_certify * prober.clustering())
    per_s = axis.per_s(level)
    enough_s = enough * prober.batch_size / per_s if per_s else math.inf
    most = options.most_certify_lengths
    usual_s = max(options.certify_s, min(enough_s, most * options.certify_s))
    all_s = left_s = min(effort * usual_s, within_s / 2)
    last_s = max(all_s, min(effort * most * options.certify_s, within_s - all_s))
    attempts: list[tuple[Probe, float, float]] = []
    last = False
    for attempt in range(1, options.certify_attempts + 1):
        last = last or attempt == options.certify_attempts or left_s < options.last_part * all_s
        part = options.give_up_part if attempts else options.give_up_first_part
        give_up_after_s = None if last else part * left_s
        rule = StopRule(alpha, options.fails_alpha, hopeless=True, give_up_after_s=give_up_after_s, earlier=earlier)
        try:
            probe = axis.offer("certify", level, last_s if last else left_s, rule)
        except TimeIsUp:
            if not attempts:
                raise
            break
        left_s -= probe.duration_s
        sure = min((evidence.confidence for evidence in probe.evidence), default=0.0)
        attempts.append((probe, max(0.0, 1 - (1 - sure) * wanted / alpha), level))
        if probe.holds and sure >= 1 - alpha:
            return Certificate(probe, attempts[-1][1], kept=True)
        promising = probe.holds and all(
            each.late <= options.comfortable * each.allowed * each.requests for each in probe.evidence
        )
        too_short = promising and not probe.stopped
        carried = promising and (axis.monotone or too_short)
        earlier = tuple(evidence.effective for evidence in probe.evidence) if carried else ()
        alpha = alpha if carried else alpha / 2
        if not too_short:
            level = axis.lower(level, step)
            step *= options.step_grows
        if last:
            break
        last = too_short
    below = min([failing or math.inf, *(at for probe, _, at in attempts if not probe.holds)])
    held = [each for each in attempts if each[0].holds and each[2] < below]
    if held:
        probe, confidence, _ = max(held, key=lambda each: (each[1], -each[2]))
        return Certificate(probe, confidence, kept=True)
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
            return Certificate(probe, 0.0, kept=True)
    return Certificate(probe, 0.0, kept=False)
