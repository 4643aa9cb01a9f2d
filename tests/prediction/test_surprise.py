"""Where forecasts were off by more than they said, they say more, and a search does not end on a surprise."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from predicted_trials import BASE, OBJECTIVE, SPACE, outcome

from autotune.outcome import Forecast, TrialOutcome
from autotune.prediction import PredictionOptions, Predictor
from autotune.prediction._trust import Surprise, surprise
from autotune.space import SearchSpace

OPTIONS = PredictionOptions()
SPACE_OF_TRIALS = SearchSpace.parse(SPACE, "space")


def trial(off: float, spread: float = 0.05) -> TrialOutcome:
    """A trial that measured 1,000 where so many deviations more were expected."""
    deviation = math.hypot(spread, OPTIONS.noise * OPTIONS.deviation)
    expected = 1000.0 * math.exp(off * deviation)
    forecast = Forecast(simulated=expected, expected=expected, spread=spread, mean_batch=8.0)
    return replace(outcome(next(SPACE_OF_TRIALS.candidates()), 1, 1000.0), forecast=forecast)


@pytest.mark.parametrize("offs", [[], [0.5, -1.0, 0.2, 1.2, -0.4]])
def test_deviations_that_were_large_enough_stay(offs: list[float]) -> None:
    found = surprise([trial(off) for off in offs], OBJECTIVE, OPTIONS)
    assert found.widening == 1.0
    assert found.latest == 0


def test_forecasts_that_are_off_widen_what_is_stated() -> None:
    widenings = [surprise([trial(4.0)] * times, OBJECTIVE, OPTIONS).widening for times in (1, 3, 10)]
    assert widenings == sorted(widenings)
    assert 1.5 < widenings[0] < widenings[-1] < 4.0


def test_forecasts_that_came_true_since_then_undo_it() -> None:
    assert surprise([trial(5.0)] * 4 + [trial(0.2)] * 4, OBJECTIVE, OPTIONS).widening == 1.0


def test_only_surprises_up_to_the_latest_trial_count_as_unexplained() -> None:
    assert surprise([trial(-4.0), trial(5.0)], OBJECTIVE, OPTIONS).latest == 2
    assert surprise([trial(5.0), trial(0.3)], OBJECTIVE, OPTIONS).latest == 0


def test_a_pruned_trial_is_off_only_by_what_its_bound_is_below_the_forecast() -> None:
    pruned = outcome(next(SPACE_OF_TRIALS.candidates()), 1, None, beaten_by_per_s=1000.0)
    low = Forecast(simulated=500.0, expected=500.0, spread=0.05, mean_batch=8.0)
    assert surprise([replace(pruned, forecast=low)], OBJECTIVE, OPTIONS).latest == 0
    assert surprise([replace(pruned, forecast=replace(low, expected=2000.0))], OBJECTIVE, OPTIONS).latest == 1


@pytest.mark.parametrize(("latest", "learns"), [(0, False), (1, True), (3, True), (4, False)])
def test_a_study_learns_from_a_surprise_before_it_ends_but_not_for_ever(latest: int, learns: bool) -> None:
    predictor = Predictor.of_model(SPACE_OF_TRIALS, BASE, OBJECTIVE)
    predictor.surprise = Surprise(1.0, latest)
    assert predictor.must_learn == learns
