"""Predicts what untried configs sustain, in three parts.

- Forecast: `service_times` are learnt from the windows of trials, every config of the space is simulated with them, and
  a Gaussian process over the measured trials corrects what the simulation gets wrong.
- Acquisition: expected improvement over the incumbent says which config is worth the next trial.
- Trust: the forecast is set aside if it orders configs wrongly, and win probabilities are calibrated by past ones.
"""

from autotune.prediction._correction import Residual
from autotune.prediction._explain import explain
from autotune.prediction._explanation import Agreement, Coverage, Explanation, ParameterEffect
from autotune.prediction._options import PredictionOptions
from autotune.prediction._predictor import Predictor
from autotune.prediction._service_times import Window, service_times
from autotune.prediction._trial_values import failing_values
from autotune.prediction._trial_windows import windows_of

__all__ = [
    "Agreement",
    "Coverage",
    "Explanation",
    "ParameterEffect",
    "PredictionOptions",
    "Predictor",
    "Residual",
    "Window",
    "explain",
    "failing_values",
    "service_times",
    "windows_of",
]
