"""What a study found: the headline, the change of config, the rounds of the final comparison."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable

from autotune.measurement import Infeasible, Measurement
from autotune.measurement.statistics import Ratio
from autotune.objective import format_duration
from autotune.report._format import config_change, rate, served_otherwise
from autotune.report._front import front_lines
from autotune.report._measurement import unproved
from autotune.report._streams import shared_rate
from autotune.report._values import column, shown_by
from autotune.search import Finals, StudyResult

_MOST_CHANGES = 10  # lines of a diff that a summary shows


def headline(result: StudyResult) -> list[str]:
    """The gain over the baseline, the sustainable rate and the certified rate, a line each.

    Each figure is of fresh servers: the search's own estimates stand in the table of trials only.
    """
    best, finals = result.best, result.finals
    if best is None:
        return []
    lines = [_gain(result)]
    if finals is not None and finals.sustained is not None:
        lines.append(_sustained(finals, finals.sustained, result))
    elif finals is not None and finals.rounds:
        lines.append("No finalist met the SLO in every round of the final comparison; the incumbent is delivered.")
    certified = _certified(finals)
    if certified:
        lines.append(certified)
    lines += _of_each(result)
    lines.append(f"Delivered: trial {best.number} ({best.label}), {config_change(best.outcome)}{_ties(finals)}.")
    lines += front_lines(result)
    lines += [f"As served: {text}." for text in served_otherwise(best.outcome)]
    return lines


def changes(result: StudyResult) -> list[str]:
    """The lines of each ``config.pbtxt`` that differ from the baseline's, as a diff; of several, what is left alone."""
    if result.best is None or result.baseline is None or result.best.id == result.baseline.id:
        return []
    before, after = result.baseline.outcome.configs, result.best.outcome.configs
    lines, alone = [], []
    tuned = {name.rpartition("/")[0] for name, _ in result.best.outcome.candidate or ()}
    for model, text in after.items():
        diff = difflib.unified_diff(before.get(model, "").splitlines(), text.splitlines(), n=0, lineterm="")
        changed = [f"{line[0]} {line[1:]}" for line in diff if line[:1] in "+-" and not line.startswith(("+++", "---"))]
        lines += [f"{model}:", *changed] if changed and len(after) > 1 else changed
        alone += [model] if model in tuned and not changed else []
    shown = lines if len(lines) <= _MOST_CHANGES else lines[: _MOST_CHANGES - 1]
    more = [f"... and {len(lines) - len(shown)} more lines"] if len(shown) < len(lines) else []
    left = [f"unchanged, because a change gains nothing: {', '.join(alone)}"] if alone else []
    return [f"  {line}" for line in (*shown, *more, *left)]


def rounds(result: StudyResult) -> list[str]:
    """The value of each finalist in each round of the final comparison."""
    finals = result.finals
    if finals is None or not finals.rounds:
        return []
    objective = result.objective
    shown = shown_by(objective.value)
    lines = [f"Final comparison, {column(objective.value)} in each round on a fresh server:"]
    for each in finals.finalists:
        mark = "*" if finals.winner is not None and each.trial.id == finals.winner.trial.id else " "
        name = f"trial {each.trial.number}{' (baseline)' if each.is_baseline else ''}"
        values = [shown(value) if 0 < value < math.inf else "violated" for value in each.values]
        lines.append(f"  {mark} {name}: {', '.join(values)}")
    return lines


def _gain(result: StudyResult) -> str:
    best, baseline, finals = result.best, result.baseline, result.finals
    if baseline is None or best is None:
        return "Gain over the baseline: unknown, the baseline was not measured."
    if best.id == baseline.id:
        return _no_gain(result)
    if not baseline.outcome.feasible:
        how = f"was not measured ({baseline.outcome.kind.value})" if baseline.outcome.failed else "violates the SLO"
        return f"The baseline {how}; the delivered config meets the SLO."
    if finals is not None and finals.gain is not None:
        value = result.objective.value
        shown = f"{finals.gain.value:.2f} times"
        which = f" in {value.name}" if result.objective.also else ""
        said = f"over the baseline{which}: {shown}" if value.maximise else f"{value.name} is {shown} the baseline's"
        unsure = "; not significant" if finals.gain.low <= 1 <= finals.gain.high < math.inf else ""
        return f"Gain{' ' if value.maximise else ': '}{said} ({_interval(finals.gain, _times)}{unsure})."
    if finals is not None and finals.rounds:
        return "The baseline violated the SLO in the final comparison; the delivered config met it."
    estimated = f"{result.estimated_gain:.2f} times" if result.estimated_gain is not None else "unknown"
    why = f": {result.uncompared.value}" if result.uncompared else ""
    return (
        f"No confirmed gain over the baseline ({estimated} by single measurements; the best of several is partly"
        f" luck); no final comparison was made{why}."
    )


def _no_gain(result: StudyResult) -> str:
    finals = result.finals
    if finals is not None and finals.open:
        names = ", ".join(f"trial {each.trial.number}" for each in finals.ties)
        return f"No significant gain over the baseline: {names} came out better; more --final-rounds may decide."
    failed = sum(trial.outcome.failed for trial in result.trials)
    if failed == len(result.trials) - 1:
        return f"No gain over the baseline is known: no other config was measured{', all failed' if failed else ''}."
    beside = f"; {failed} that failed do{'' if failed > 1 else 'es'} not count" if failed else ""
    return f"No gain over the baseline: no measured config is better by --min-gain or more{beside}."


def _sustained(finals: Finals, sustained: Ratio, result: StudyResult) -> str:
    objective = result.objective
    ceilings = ", ".join(map(str, objective.ceilings))
    played = f"{sustained.rounds} round{'' if sustained.rounds == 1 else 's'} on fresh servers"
    if not objective.maximise:
        interval = _interval(sustained, shown_by(objective.value))
        value = f"{rate(objective.rate_per_s)} inferences/s ({interval}), {played}"
        statistic = f"{objective.value.name} " if objective.value.is_latency else ""
        shown = shown_by(objective.value)(sustained.value)
        return f"{objective.goal.capitalize()}: {statistic}{shown} at {value}."
    interval = _interval(sustained, rate)
    if objective.goodput_s is not None:
        within = f"{rate(sustained.value)} of {rate(objective.rate_per_s)} inferences/s"
        return f"Goodput: {within} within {format_duration(objective.goodput_s)} ({interval}), {played}."
    return f"Sustainable rate: {rate(sustained.value)} inferences/s with {ceilings} ({interval}), {played}."


def _of_each(result: StudyResult) -> list[str]:
    """What the rates are for each of several models, and its latency beside its ceiling; nothing for one model."""
    shares, finals, measured = result.objective.shares, result.finals, result.measured
    if not shares:
        return []
    lines = []
    if finals is not None and finals.sustained is not None:
        lines.append(f"Sustainable for each: {shared_rate(finals.sustained.value, shares)} inferences/s.")
    if finals is not None and finals.certificate is not None and measured is not None and measured.proved_per_s:
        lines.append(f"Certified for each: {shared_rate(measured.proved_per_s, shares)} inferences/s, jointly.")
    return lines


def _certified(finals: Finals | None) -> str:
    """The certified rate with its confidence; why there is none; empty if none was looked for."""
    run = finals.certificate if finals else None
    if run is None:
        return ""
    measured = run.outcome.measurement
    if measured is None or not measured.feasible or measured.decided_by is None:
        disturbed = measured is not None and measured.infeasible is Infeasible.DISTURBED
        violated = "in disturbed windows" if disturbed else "at the lowest rate that was tried"
        why = run.outcome.message or f"the ceilings were violated {violated}"
        return f"Not certified: {why}."
    shown = f"{rate(measured.rate_per_s)} inferences/s"
    if measured.proved_per_s is None:
        return f"Not certified: {unproved(measured)}; {shown} met the SLO ({_evidence(measured)})."
    return f"Certified: {shown} at {_confidence(measured)} ({_evidence(measured)})."


def _confidence(measured: Measurement) -> str:
    return f"{math.floor(measured.confidence * 100)}% confidence"


def _evidence(measured: Measurement) -> str:
    decided = measured.decided_by
    if decided is None or not decided.evidence:
        return "one window"
    worst = max(decided.evidence, key=lambda each: each.late)
    outstanding = f" with {decided.concurrency} outstanding" if decided.concurrency else ""
    return f"{worst.requests:,} requests{outstanding}, {worst.late:,} late"


def _ties(finals: Finals | None) -> str:
    if finals is None or not finals.ties or finals.winner is None or finals.winner.is_baseline:
        return ""
    names = ", ".join(f"trial {each.trial.number}" for each in finals.ties)
    return f"; no significant difference to {names}"


def _times(value: float) -> str:
    return f"{value:.2f}"


def _interval(ratio: Ratio, shown: Callable[[float], str]) -> str:
    if not math.isfinite(ratio.high):
        return "a single round, no interval"
    return f"95% interval {shown(ratio.low)} to {shown(ratio.high)}"
