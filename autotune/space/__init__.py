"""The search space: its YAML file, its Optuna distributions, and its edits on a config."""

from autotune.space._advice import advice, shape_advice
from autotune.space._candidate import Candidate, ParameterValue
from autotune.space._document import Node, parse_document
from autotune.space._joint import JointSpace
from autotune.space._model_analyzer import (
    BOUNDS,
    MODEL_ANALYZER_ADVICE,
    is_model_analyzer,
    model_analyzer_space,
    values_of,
    written,
)
from autotune.space._parameter import INSTANCE_COUNT, MAX_BATCH_SIZE, SIMULATED, Parameter
from autotune.space._space import AS_GOOD, SearchSpace

__all__ = [
    "AS_GOOD",
    "BOUNDS",
    "INSTANCE_COUNT",
    "MAX_BATCH_SIZE",
    "MODEL_ANALYZER_ADVICE",
    "SIMULATED",
    "Candidate",
    "JointSpace",
    "Node",
    "Parameter",
    "ParameterValue",
    "SearchSpace",
    "advice",
    "is_model_analyzer",
    "model_analyzer_space",
    "parse_document",
    "shape_advice",
    "values_of",
    "written",
]
