"""Why the winner won, in sentences a person reads in ten seconds."""

from __future__ import annotations

import math

from autotune.objective import Value
from autotune.prediction import Agreement, Coverage, Explanation, ParameterEffect
from autotune.report._format import phrase
from autotune.report._values import column
from autotune.search import StudyResult

_RANKED = 4  # trials; fewer have no rank correlation worth the name


def explanation_lines(result: StudyResult) -> list[str]:
    """What each parameter buys, what does not matter, how simulation and measurement agree, what was covered."""
    explanation = result.explanation
    if explanation is None or not result.trials:
        return []
    lines = []
    if result.best is not None and result.best.number == explanation.winner:
        lines += [*_effects(explanation, result.objective.value), *_without_effect(explanation)]
    if explanation.agreement is not None:
        lines.append(_agreement(explanation.agreement))
    if explanation.doubt:
        lines.append(f"Do not rely on the predictions here: {explanation.doubt}.")
    return [*lines, _coverage(explanation.coverage, explanation.not_simulated)]


def _effects(explanation: Explanation, value: Value) -> list[str]:
    shown = [
        each
        for each in explanation.effects
        if each.measured is not None or each.parameter not in explanation.without_effect
    ]
    if not shown:
        return []
    what = column(value)
    lead = f"Effect of each parameter on {what}: the delivered config against the same one with the value of"
    return [f"{lead} {explanation.against}:", *map(_effect, shown)]


def _effect(effect: ParameterEffect) -> str:
    said = []
    if effect.predicted is not None:
        broken = f"{_other(effect)} is predicted to violate the SLO"
        said.append(f"{effect.predicted:.2f} times predicted" if math.isfinite(effect.predicted) else broken)
    if effect.measured is not None:
        bound = "at least " if effect.at_least else ""
        broke = f"{_other(effect)} violated the SLO"
        found = f"{bound}{effect.measured:.2f} times measured" if math.isfinite(effect.measured) else broke
        said.append(f"{found} (trial {effect.trial})")
    return f"  {phrase(effect.parameter, effect.value)} instead of {_other(effect)}: {', '.join(said)}"


def _other(effect: ParameterEffect) -> str:
    """What the parameter was put back to, without saying its name again."""
    if isinstance(effect.instead_of, bool):
        return phrase(effect.parameter, effect.instead_of)
    unit = "us" if effect.parameter.endswith("_microseconds") else ""
    return "unset" if effect.instead_of is None else f"{effect.instead_of}{unit}"


def _without_effect(explanation: Explanation) -> list[str]:
    if not explanation.without_effect:
        return []
    names = ", ".join(explanation.without_effect)
    most = f"{explanation.min_gain:.0%}"
    return [f"Little effect here (no other value is predicted to change it by more than {most}): {names}."]


def _agreement(agreement: Agreement) -> str:
    """Of the simulation as it is after the last trial; the table of trials has what was predicted before each."""
    trials = f"{agreement.trials} trial{'' if agreement.trials == 1 else 's'}"
    error = f"median error {agreement.median_error:.0%}"
    if agreement.trials < _RANKED:
        few = "too few for a rank correlation"
        return f"Simulation fitted to all trials, against measurement: {error} over {trials}, {few}."
    if agreement.rank_correlation is None:
        return f"Simulation fitted to all trials, against measurement: {error} over {trials}."
    ranks = f"rank correlation {agreement.rank_correlation:.2f}"
    return f"Simulation fitted to all trials, against measurement: {ranks} over {trials}, {error}."


def _coverage(coverage: Coverage, not_simulated: str) -> str:
    """The space in parts; why none was simulated."""
    why = f" ({not_simulated})" if not_simulated else ""
    parts = f"{coverage.tried:,} tried, {coverage.simulated:,} only simulated, {coverage.unknown:,} neither"
    return f"Search space of {coverage.configs:,} configs: {parts}{why}."
