"""When to stop believing the forecast: what it said about past trials against what they measured."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from autotune.objective import Objective
from autotune.outcome import TrialOutcome
from autotune.prediction._options import PredictionOptions
from autotune.prediction._trial_values import NOT_THE_CONFIGS_FAULT, measured_value, merit_bounds, merit_of


def why_set_aside(simulated: Sequence[tuple[float, float, float]], options: PredictionOptions) -> str:
    """Why the forecast should be set aside, in words; empty if it should not.

    It is set aside if it orders pairs of configs little better than chance: Kendall, A New Measure of Rank Correlation,
    Biometrika 30, 1938, over the pairs that it says differ and whose measured order is known.

    Args:
        simulated: Simulated merit of each config, and the lowest and highest merit that its trial measured.
        options: How many pairs are needed, and how well they must agree.
    """
    right = wrong = 0
    for (merit, low, high), (other, other_low, other_high) in itertools.combinations(simulated, 2):
        if abs(merit - other) < options.tells_apart:
            continue
        better, worse = low > other_high, high < other_low
        right += better if merit > other else worse
        wrong += worse if merit > other else better
    pairs = right + wrong
    if pairs < options.pairs_to_distrust or right - wrong >= options.least_agreement * pairs:
        return ""
    return f"it is wrong about which config is better in {wrong} of {pairs} pairs"


def wins_come_true(outcomes: Sequence[TrialOutcome], objective: Objective, min_gain: float, prior_wins: float) -> float:
    """Wins so far over the wins that were predicted, at most 1; win probabilities are multiplied by it.

    Predicted wins are the sum of the win probabilities that trials had before they ran. The prior is a Gamma
    distribution worth ``prior_wins`` of each (Gelman et al., Bayesian Data Analysis, section 2.6).
    """
    best, predicted, won = -math.inf, prior_wins, prior_wins
    for outcome in outcomes:
        value = measured_value(outcome, objective)
        merit = -math.inf if value is None else merit_of(value, objective)
        probability = outcome.forecast.win_probability if outcome.forecast is not None else None
        if probability is not None and outcome.kind not in NOT_THE_CONFIGS_FAULT:
            predicted += probability
            won += merit > best + math.log1p(min_gain)
        best = max(best, merit)
    return min(1.0, won / predicted)


@dataclass(frozen=True)
class Surprise:
    """How far measurements were from their forecasts, in units of the deviation that was stated.

    Attributes:
        widening: By what the deviations of forecasts are to be multiplied; 1 if they were large enough.
        latest: How many trials in a row, up to the latest, were off by more than is likely.
    """

    widening: float = 1.0
    latest: int = 0


def surprise(outcomes: Sequence[TrialOutcome], objective: Objective, options: PredictionOptions) -> Surprise:
    """What the trials that had a forecast say of its deviations.

    The deviations are multiplied by the root mean square of the latest standardised errors, with a prior worth
    ``prior_trials`` errors of the stated size (the mean of an inverse-gamma posterior; Gelman et al., Bayesian Data
    Analysis, section 2.6). The correction learns from each error, so that older ones say little. A pruned trial is off
    by at least as much as its bound is below the forecast.
    """
    errors = []
    for outcome in outcomes:
        forecast = outcome.forecast
        bounds = merit_bounds(outcome, objective, 0.0) if forecast is not None and forecast.keeps else None
        if forecast is None or bounds is None:
            continue
        low, high = bounds
        expected = merit_of(forecast.expected, objective)
        off = max(0.0, expected - high, low - expected)
        errors.append(off / math.hypot(forecast.spread, options.noise * options.deviation))
    recent = errors[-options.recent_forecasts :]
    total = math.fsum(each**2 for each in recent)
    widening = math.sqrt((options.prior_trials + total) / (options.prior_trials + len(recent)))
    likely = list(itertools.takewhile(lambda each: each > options.surprising, reversed(errors)))
    return Surprise(max(1.0, widening), len(likely))


def rank_correlation(pairs: Sequence[tuple[float, float]], at_least: int) -> float | None:
    """Spearman's correlation of simulated and measured values; None if there are too few, or all are equal."""
    columns = list(zip(*pairs, strict=True))
    if len(pairs) < at_least or any(len(set(column)) < 2 for column in columns):
        return None
    from scipy.stats import spearmanr  # takes half a second to import, and few runs come here

    correlation = float(spearmanr(*columns).statistic)
    return correlation if math.isfinite(correlation) else None
