"""Two studies side by side: what differs in machine, objective and delivered config, and whose config is faster."""

from __future__ import annotations

import difflib
import math
from typing import Any

from rich.console import Console

from autotune.environment import Environment, differences
from autotune.measurement.statistics import Ratio
from autotune.report._format import wide_console
from autotune.report._values import in_words, shown_by
from autotune.search import StudyResult, score


def diff_lines(first: StudyResult, second: StudyResult, console: Console | None = None) -> None:
    """Prints the results of both, their ratio, and what differs."""
    console = console or wide_console()
    lines = [f"A {_result(first)}", f"B {_result(second)}", _ratio_sentence(first, second)]
    facts, configs = _facts(first, second), _config_diff(first, second)
    lines += ["Differences:", *(f"  {line}" for line in facts)] if facts else ["Differences: none."]
    none = [name for name, each in (("A", first), ("B", second)) if each.best is None]
    if none:
        lines.append(f"Delivered configs: none by {' and '.join(none)}.")
    else:
        lines += (
            ["Delivered configs:", *(f"  {line}" for line in configs)] if configs else ["Delivered configs: equal."]
        )
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def diff_json(first: StudyResult, second: StudyResult) -> dict[str, Any]:
    """The same for scripts."""
    return {
        "first": first.study,
        "second": second.study,
        "ratio": ratio_of(first, second),
        "differences": _facts(first, second),
        "config_diff": _config_diff(first, second),
    }


def ratio_of(first: StudyResult, second: StudyResult) -> Ratio | None:
    """The second study's value over the first one's; None if they are not comparable or one has none.

    The studies were not measured in turns, so their final comparisons count as independent: the half widths of both
    intervals, of the logarithms, add as squares do. Without a final comparison the interval is infinite.
    """
    if str(first.objective) != str(second.objective) or first.best is None or second.best is None:
        return None
    (low, before), (high, after) = _level(first), _level(second)
    value, half = after / before, math.hypot(low, high)
    rounds = min(each.finals.rounds if each.finals else 0 for each in (first, second))
    return Ratio(value, value * math.exp(-half), value * math.exp(half) if math.isfinite(half) else math.inf, rounds)


def _level(result: StudyResult) -> tuple[float, float]:
    """The half width of the interval of the delivered config's logarithm, and its value."""
    sustained = result.finals.sustained if result.finals else None
    if sustained is not None and math.isfinite(sustained.high):
        return math.log(sustained.high / sustained.value), sustained.value
    if result.best is None:
        return math.inf, math.nan
    return math.inf, score(result.best.outcome, result.objective)


def _result(result: StudyResult) -> str:
    if result.best is None:
        return f"{result.study}: no config meets the SLO ({result.objective})."
    shown = shown_by(result.objective.value)
    half, value = _level(result)
    if math.isfinite(half):
        how = f"95% interval {shown(value * math.exp(-half))} to {shown(value * math.exp(half))}"
    else:
        how = "a single measurement, no interval"
    return f"{result.study}: {in_words(result.objective.value, value)} ({how}), {result.objective}."


def _ratio_sentence(first: StudyResult, second: StudyResult) -> str:
    if str(first.objective) != str(second.objective):
        return "Not comparable: the objectives differ."
    ratio = ratio_of(first, second)
    if ratio is None:
        return "Not comparable: a study has no config that meets the SLO."
    if not math.isfinite(ratio.high):
        return f"B is {ratio.value:.2f} times A by single measurements, which confirm nothing."
    interval = f"95% interval {ratio.low:.2f} to {ratio.high:.2f}"
    if ratio.low <= 1 <= ratio.high:
        return f"No significant difference: B is {ratio.value:.2f} times A ({interval})."
    return f"B is {ratio.value:.2f} times A ({interval}); any of the differences below may be the cause."


def _facts(first: StudyResult, second: StudyResult) -> list[str]:
    facts = [("model", first.model, second.model), ("objective", str(first.objective), str(second.objective))]
    found = [f"{name}: {old} in A, {new} in B" for name, old, new in facts if old != new]
    before, after = _environment(first), _environment(second)
    return found + (differences(before, after, "in A", "in B") if before and after else [])


def _environment(result: StudyResult) -> Environment | None:
    return result.trials[-1].environment if result.trials else None


def _config_diff(first: StudyResult, second: StudyResult) -> list[str]:
    before, after = (each.best.outcome.configs if each.best else {} for each in (first, second))
    lines = []
    for model in dict.fromkeys((*before, *after)):
        texts = (before.get(model, "").splitlines(), after.get(model, "").splitlines())
        diff = difflib.unified_diff(*texts, n=0, lineterm="")
        changed = [f"{line[0]} {line[1:]}" for line in diff if line[:1] in "+-" and not line.startswith(("+++", "---"))]
        lines += [f"{model}:", *changed] if changed else []
    return lines
