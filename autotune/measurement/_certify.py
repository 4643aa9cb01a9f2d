"""Shows, with a stated confidence, that a rate keeps the promise."""

from __future__ import annotations

import math
from dataclasses import dataclass

from autotune.measurement._judge import StopRule
from autotune.measurement._prober import Prober
from autotune.measurement._types import Probe

_ATTEMPTS = 5
_FIRST_STEP = 1.09
_STEP_GROWS = 1.01
_RETREATS = 6
_RETREAT = 1.15
# Where this much less than what is allowed was late, a lower rate would not be shown much sooner.
_COMFORTABLE = 0.5
_FAILS_ALPHA = 0.05
# Near saturation a dozen requests and more are worth one, and never fewer than a batch; a window holds enough for
# that, within bounds.
_ENOUGH_REQUESTS = 8000
_ENOUGH_BATCHES = 800
_MOST_LENGTHS = 3.0
# All attempts but the last together take one window; with less than this part of it left the next one is the last. That
# may take as long as a window may be: it ends with the proof, and without one all the time was for nothing.
_LAST_PART = 0.5
# The rate just below the located one may be given up soon, later ones after this part of what is left.
_GIVE_UP_FIRST_PART = 0.1
_GIVE_UP_PART = 0.5


@dataclass(frozen=True)
class Certificate:
    """The outcome of the attempts.

    Attributes:
        probe: The window that decided, the last one where none held.
        confidence: That its rate keeps every percentile ceiling; what earlier attempts spent is taken off.
        kept: Whether the rate kept the promise, be it with less confidence than was asked for.
    """

    probe: Probe
    confidence: float
    kept: bool


def certify(
    prober: Prober,
    rate_per_s: float,
    effort: float = 1.0,
    within_s: float = math.inf,
    failing_per_s: float | None = None,
) -> Certificate:
    """Tests ``rate_per_s`` with fresh arrivals, and lower ones while it is not shown to hold.

    An attempt ends as soon as it is clear that its window would be too short for the proof, because late requests
    cluster too much at its rate. What it showed counts for the next one, as a lower rate has no more late requests.
    Where only the window was too short in the end, the next one goes on at the same rate, as the last one. Where more
    than half as many as may be were late, the next starts anew with half the chance of being wrong. The first takes
    half of it, so that all together stay within 1 - confidence.

    A model that is too slow for a proof at any rate keeps the rate at which far fewer requests were late than may
    be, with the confidence that was reached. Where no attempt was proved, the surest that held below every one that
    failed counts, and where none did, short windows look for a rate that does.

    Args:
        prober: Runs the windows.
        rate_per_s: Where to begin, in inferences/s.
        effort: How long to try, in parts of the usual length.
        within_s: How long at most, whatever the effort.
        failing_per_s: The lowest rate that was seen to fail before; None for none.
    """
    options = prober.options
    wanted = 1 - options.confidence
    alpha = wanted / 2
    earlier: tuple[tuple[tuple[float, float], ...], ...] = ()
    step = _FIRST_STEP
    enough = max(_ENOUGH_REQUESTS, _ENOUGH_BATCHES * prober.clustering())
    enough_s = enough * prober.batch_size / rate_per_s
    usual_s = max(options.certify_s, min(enough_s, _MOST_LENGTHS * options.certify_s))
    all_s = left_s = min(effort * usual_s, within_s / 2)
    last_s = max(all_s, min(effort * _MOST_LENGTHS * options.certify_s, within_s - all_s))
    attempts: list[tuple[Probe, float]] = []
    last = False
    for attempt in range(1, _ATTEMPTS + 1):
        last = last or attempt == _ATTEMPTS or left_s < _LAST_PART * all_s
        give_up_after_s = _GIVE_UP_PART * left_s if attempts else _GIVE_UP_FIRST_PART * left_s
        rule = StopRule(
            alpha, _FAILS_ALPHA, hopeless=True, give_up_after_s=None if last else give_up_after_s, earlier=earlier
        )
        probe = prober.at_rate("certify", rate_per_s, last_s if last else left_s, rule)
        left_s -= probe.duration_s
        sure = min((evidence.confidence for evidence in probe.evidence), default=0.0)
        attempts.append((probe, max(0.0, 1 - (1 - sure) * wanted / alpha)))
        if probe.holds and sure >= 1 - alpha:
            return Certificate(*attempts[-1], kept=True)
        promising = probe.holds and _comfortable(probe)
        earlier = tuple(evidence.effective for evidence in probe.evidence) if promising else ()
        alpha = alpha if promising else alpha / 2
        too_short = promising and not probe.stopped
        if not too_short:
            rate_per_s /= step
            step *= _STEP_GROWS
        if last:
            break
        last = too_short
    below_per_s = min([failing_per_s or math.inf, *(each.asked_per_s for each, _ in attempts if not each.holds)])
    held = max(
        (each for each in attempts if each[0].holds and each[0].asked_per_s < below_per_s),
        key=lambda each: (each[1], -each[0].asked_per_s),
        default=None,
    )
    rate_per_s = min(rate_per_s, below_per_s)
    retreats = 0
    while held is None and retreats < _RETREATS:
        retreats += 1
        rate_per_s /= _RETREAT
        probe = prober.at_rate(
            "certify", rate_per_s, options.probe_s, StopRule(fails_alpha=_FAILS_ALPHA, hopeless=True)
        )
        attempts.append((probe, 0.0))
        held = attempts[-1] if probe.holds else None
    return Certificate(*(held or attempts[-1]), kept=held is not None)


def _comfortable(probe: Probe) -> bool:
    """Whether far fewer requests were late than may be, so that only the window's length is wanting."""
    return all(each.late <= _COMFORTABLE * each.allowed * each.requests for each in probe.evidence)
