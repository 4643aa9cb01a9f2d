"""Predicts what untried configs will carry, from a simulation fed and corrected by the trials that were measured."""

from autotune.prediction._explain import explain
from autotune.prediction._explanation import Agreement, Coverage, Explanation, ParameterEffect
from autotune.prediction._failures import failing_values
from autotune.prediction._predictor import Predictor
from autotune.prediction._residual import Residual
from autotune.prediction._service_times import Window, service_times

__all__ = [
    "Agreement",
    "Coverage",
    "Explanation",
    "ParameterEffect",
    "Predictor",
    "Residual",
    "Window",
    "explain",
    "failing_values",
    "service_times",
]
