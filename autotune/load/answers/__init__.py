"""Whether a model gives the same answers alone and beside other requests: asked of a ready server before any load."""

from autotune.load.answers._check import check_answers
from autotune.load.answers._inputs import DIFFERENT, fixed_inputs
from autotune.load.answers._types import WrongAnswers

__all__ = ["DIFFERENT", "WrongAnswers", "check_answers", "fixed_inputs"]
