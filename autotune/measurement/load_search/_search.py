"""The highest load at which every ceiling is met."""

from __future__ import annotations

from autotune.measurement._judge import StopRule
from autotune.measurement._question import Question
from autotune.measurement._reasons import Infeasible
from autotune.measurement._types import Probe
from autotune.measurement.load_search._axis import Found, LoadAxis


def search(axis: LoadAxis, question: Question) -> Found:
    """Brackets, narrows and confirms the highest level that meets every ceiling.

    The first step is the incumbent's throughput: a config that violates a ceiling there and completes clearly less is
    pruned. A window that fails without certainty is repeated, as one pause of the machine may be the reason.
    """
    options = axis.prober.options
    beat_per_s = question.beat_per_s or 0.0
    # A window that will violate a ceiling may end at once where the time is short: the fit does without the rest.
    rule = StopRule(fails_alpha=options.search_alpha, hopeless=question.effort < 1)
    incumbent, start = axis.first()
    if incumbent is not None:
        probe = _at_incumbent(axis, incumbent, beat_per_s)
        if _prunes(axis, [probe], beat_per_s):
            return Found(probe, reason=Infeasible.PRUNED)
    probes = _offered(axis)
    spent_s, repeats = 0.0, 1
    level = start if incumbent is None or start > incumbent else axis.next(probes, spent_s)
    for _ in range(options.most_windows):
        if level is None:
            break
        # A longer window shows a queue that grows more slowly.
        longer = 1 + min(1.0, question.effort) if spent_s else 1.0
        length_s = options.round_s if question.brief else options.probe_s * longer
        probe = axis.offer("locate", level, length_s, rule)
        spent_s += probe.duration_s
        probes = _offered(axis)
        if not (probe.holds or probe.certain) and repeats:
            repeats -= 1
            continue
        if _prunes(axis, probes, beat_per_s):
            return Found(probe, reason=Infeasible.PRUNED)
        level = axis.next(probes, spent_s)
    return axis.settle(probes)


def _at_incumbent(axis: LoadAxis, level: float, beat_per_s: float) -> Probe:
    """Offers the incumbent's level; windows that failed before one that holds count no more."""
    options = axis.prober.options
    lost: list[Probe] = []
    for _ in range(options.incumbent_attempts):
        probe = axis.offer("race", level, options.probe_s, StopRule(fails_alpha=options.incumbent_alpha, hopeless=True))
        if probe.holds:
            axis.prober.disregard(lost)
            break
        lost.append(probe)
        if probe.certain or not _prunes(axis, [probe], beat_per_s):
            break
    return probe


def _prunes(axis: LoadAxis, probes: list[Probe], beat_per_s: float) -> bool:
    """Whether the last window violates a ceiling and none reaches the incumbent's throughput: nor does less load."""
    reached_per_s = max(probe.asked_per_s for probe in probes if probe.holds or probe is probes[-1])
    least_per_s = beat_per_s * (1 - axis.slack)
    failed_at_it = not axis.slack and reached_per_s <= least_per_s
    return not probes[-1].holds and (reached_per_s < least_per_s or failed_at_it)


def _offered(axis: LoadAxis) -> list[Probe]:
    return [probe for probe in axis.prober.counted if axis.level(probe) is not None]
