"""Predicts what untried configs will carry, from a simulation fed and corrected by the trials that were measured."""

from autotune.prediction._predictor import Predictor
from autotune.prediction._residual import Residual
from autotune.prediction._service_times import Window, service_times

__all__ = ["Predictor", "Residual", "Window", "service_times"]
