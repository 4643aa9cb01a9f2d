"""Finds the best Triton Inference Server configuration for a model under a latency SLO.

`tune` and `measure` do what ``autotune run`` and ``autotune measure`` do and return the same results. Their
arguments are the fields of `RunRequest` and `MeasureRequest`; `run_study` and `run_measurement` take such a request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autotune.api import measure, run_measurement, run_study, tune
    from autotune.request import MeasureRequest, RunRequest

__all__ = ["MeasureRequest", "RunRequest", "measure", "run_measurement", "run_study", "tune"]


def __getattr__(name: str) -> object:
    """Imports the interface when it is first used, so that ``import autotune`` stays light."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from autotune import api

    return getattr(api, name)
