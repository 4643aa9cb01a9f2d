"""Experiments: named variants under the same loads, measured in turns on fresh servers, and compared at each load."""

from autotune.search.experiment._run import Served, measure_experiment
from autotune.search.experiment._types import Entrant, ExperimentResult, Load

__all__ = ["Entrant", "ExperimentResult", "Load", "Served", "measure_experiment"]
