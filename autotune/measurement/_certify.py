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
# Near saturation a dozen requests and more are worth one; a window holds enough for that, within bounds.
_ENOUGH_REQUESTS = 8000
_MOST_LENGTHS = 3.0
# All attempts together take one window; with this part of it left the next one is the last, and takes at least that.
_LAST_PART = 0.4
_LEAST_PART = 0.2


@dataclass(frozen=True)
class Certificate:
    """The outcome of the attempts.

    Attributes:
        probe: The window that decided, the last one where none held.
        confidence: That its rate keeps every percentile ceiling; what earlier attempts spent is taken off.
        failing_per_s: The lowest rate at which an attempt failed; None where none did.
        kept: Whether the rate kept the promise, be it with less confidence than was asked for.
    """

    probe: Probe
    confidence: float
    failing_per_s: float | None
    kept: bool


def certify(prober: Prober, rate_per_s: float, effort: float = 1.0) -> Certificate:
    """Tests ``rate_per_s`` with fresh arrivals, and lower ones while it is not shown to hold.

    An attempt ends as soon as it is clear that its window would be too short for the proof, because late requests
    cluster too much at its rate. What it showed counts for the next one: a lower rate has no more late requests, so
    the product of the e-values is an e-value for it. Where an attempt spoke against its rate, the next starts anew
    with half the chance of being wrong. The first takes half of it, so that all together stay within 1 - confidence.

    A model that is too slow for a proof at any rate keeps the rate at which far fewer requests were late than may
    be, with the confidence that was reached; where no attempt got that far, the surest that held below every one that
    failed counts, and where none did, short windows look for a rate that does.
    """
    options = prober.options
    wanted = 1 - options.confidence
    alpha = wanted / 2
    earlier: tuple[float, ...] = ()
    step = _FIRST_STEP
    enough_s = _ENOUGH_REQUESTS * prober.batch_size / rate_per_s
    left_s = effort * max(options.certify_s, min(enough_s, _MOST_LENGTHS * options.certify_s))
    attempts: list[tuple[Probe, float]] = []
    for attempt in range(1, _ATTEMPTS + 1):
        last = attempt == _ATTEMPTS or left_s < _LAST_PART * options.certify_s
        rule = StopRule(holds_alpha=alpha, fails_alpha=_FAILS_ALPHA, give_up=not last, earlier=earlier)
        probe = prober.at_rate("certify", rate_per_s, left_s, rule)
        left_s = max(_LEAST_PART * options.certify_s, left_s - probe.duration_s)
        sure = min((evidence.confidence for evidence in probe.evidence), default=0.0)
        attempts.append((probe, max(0.0, 1 - (1 - sure) * wanted / alpha)))
        if probe.holds and (sure >= 1 - alpha or (not probe.stopped and _comfortable(probe))):
            return _certificate(attempts, attempts[-1])
        earlier = tuple(evidence.e_value for evidence in probe.evidence)
        if not all(e_value >= 1 for e_value in earlier):
            earlier, alpha = (), alpha / 2
        rate_per_s /= step
        step *= _STEP_GROWS
        if last:
            break
    broken_per_s = _lowest_failing(attempts) or math.inf
    held = max(
        (each for each in attempts if each[0].holds and each[0].asked_per_s < broken_per_s),
        key=lambda each: each[1],
        default=None,
    )
    while held is None and len(attempts) < _ATTEMPTS + _RETREATS:
        rate_per_s /= _RETREAT
        probe = prober.at_rate("certify", rate_per_s, options.probe_s, StopRule(fails_alpha=_FAILS_ALPHA))
        attempts.append((probe, 0.0))
        held = attempts[-1] if probe.holds else None
    return _certificate(attempts, held)


def _certificate(attempts: list[tuple[Probe, float]], held: tuple[Probe, float] | None) -> Certificate:
    probe, confidence = held or attempts[-1]
    return Certificate(probe, confidence, _lowest_failing(attempts), kept=held is not None)


def _lowest_failing(attempts: list[tuple[Probe, float]]) -> float | None:
    return min((probe.asked_per_s for probe, _ in attempts if not probe.holds), default=None)


def _comfortable(probe: Probe) -> bool:
    """Whether far fewer requests were late than may be, so that only the window's length is wanting."""
    return all(each.late <= _COMFORTABLE * each.allowed * each.requests for each in probe.evidence)
