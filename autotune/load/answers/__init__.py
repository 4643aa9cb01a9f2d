"""Whether a model gives the same answers alone and beside other requests: asked of a ready server before any load."""

from autotune.load.answers._check import check_answers
from autotune.load.answers._inputs import different_payloads, fixed_inputs
from autotune.load.answers._types import WrongAnswers

__all__ = ["WrongAnswers", "check_answers", "different_payloads", "fixed_inputs"]
