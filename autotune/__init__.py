"""Finds the best Triton Inference Server configuration for a model under a latency SLO.

`tune`, `measure`, `compare`, `check` and `experiment` do what ``autotune run`` and the commands of these names do, and
return the same results. Their arguments are the fields of `RunRequest`, `MeasureRequest`, `CompareRequest`,
`CheckRequest` and `ExperimentRequest`; `run_study`, `run_measurement`, `run_comparison`, `run_check` and
`run_experiment` take such a request. `tune_all` and `run_fleet` tune several models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autotune.api import (
        check,
        compare,
        experiment,
        measure,
        run_check,
        run_comparison,
        run_experiment,
        run_measurement,
        run_study,
        tune,
    )
    from autotune.request import CheckRequest, CompareRequest, ExperimentRequest, MeasureRequest, RunRequest

__all__ = [
    "CheckRequest",
    "CompareRequest",
    "ExperimentRequest",
    "MeasureRequest",
    "RunRequest",
    "check",
    "compare",
    "experiment",
    "measure",
    "run_check",
    "run_comparison",
    "run_experiment",
    "run_fleet",
    "run_measurement",
    "run_study",
    "tune",
    "tune_all",
]


def __getattr__(name: str) -> object:
    """Imports the interface when it is first used, so that ``import autotune`` stays light."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from autotune import api

    return getattr(api, name)
