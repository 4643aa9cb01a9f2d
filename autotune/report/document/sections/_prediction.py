"""What the simulator predicted before each trial, against what was measured."""

from __future__ import annotations

from statistics import median

from autotune.report._format import config_change
from autotune.report._values import axis, shown_by
from autotune.report.document._blocks import Section
from autotune.report.document._figure import Axis, Figure, Series
from autotune.report.document._source import Source
from autotune.search import score

_NEAR = 0.1  # median error up to which predictions are called reliable


def prediction(source: Source) -> Section | None:
    """A point for each trial that was predicted and met the SLO; on the diagonal both agree."""
    objective = source.result.objective
    scale, unit = axis(objective.value)
    pairs = [
        (forecast.expected, score(trial.outcome, objective), trial)
        for trial in source.result.trials
        if (forecast := trial.outcome.forecast) is not None and forecast.keeps and trial.outcome.feasible
    ]
    if not pairs:
        return None
    most = max(max(expected, measured) for expected, measured, _ in pairs) * scale
    shown = shown_by(objective.value)
    series = (
        Series("prediction equals measurement", (0.0, most), (0.0, most), "front", "line", dash="dot"),
        Series(
            "trials that meet the SLO",
            tuple(expected * scale for expected, *_ in pairs),
            tuple(measured * scale for _, measured, _ in pairs),
            "feasible",
            notes=tuple(
                f"trial {trial.number}: predicted {shown(expected)}, measured {shown(measured)}\n"
                f"{config_change(trial.outcome, trial.label)}"
                for expected, measured, trial in pairs
            ),
        ),
    )
    errors = [abs(expected / measured - 1) for expected, measured, _ in pairs if measured]
    figure = Figure(
        "prediction",
        "Predicted against measured",
        _conclusion(median(errors), len(pairs), source),
        Axis(f"predicted {unit}"),
        Axis(f"measured {unit}"),
        series,
    )
    return Section("prediction", "Prediction", (figure,))


def _conclusion(error: float, trials: int, source: Source) -> str:
    says = "predictions guide the search well" if error <= _NEAR else "predictions only rank configs roughly"
    text = f"Median error {error:.0%} over {trials} trial{'' if trials == 1 else 's'}: {says}."
    missed = sum(
        trial.outcome.feasible and trial.outcome.forecast is not None and not trial.outcome.forecast.keeps
        for trial in source.result.trials
    )
    if missed:
        text += f" {missed} trial{'' if missed == 1 else 's'} met the SLO though predicted to violate it."
    return text
