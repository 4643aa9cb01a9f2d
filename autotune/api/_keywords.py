"""The same as functions of keywords, for Python."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from autotune.api._compare import run_check, run_comparison
from autotune.api._experiment import run_experiment
from autotune.api._fleet import run_fleet
from autotune.api._measure import run_measurement
from autotune.api._run import run_study
from autotune.request import (
    CheckRequest,
    CompareRequest,
    ExperimentRequest,
    MeasureRequest,
    RunRequest,
)

_Fields = ParamSpec("_Fields")
_Request = TypeVar("_Request")
_Result = TypeVar("_Result")


def _by_keywords(
    request: Callable[_Fields, _Request], run: Callable[[_Request], _Result]
) -> Callable[_Fields, _Result]:
    """``run`` with the fields of its request as keywords, for callers and editors alike."""

    @functools.wraps(run)
    def call(*values: _Fields.args, **fields: _Fields.kwargs) -> _Result:
        return run(request(*values, **fields))

    returned = inspect.signature(run).return_annotation
    call.__dict__["__signature__"] = inspect.signature(request).replace(return_annotation=returned)
    return call


tune = _by_keywords(RunRequest, run_study)
tune_all = _by_keywords(RunRequest, run_fleet)
measure = _by_keywords(MeasureRequest, run_measurement)
compare = _by_keywords(CompareRequest, run_comparison)
check = _by_keywords(CheckRequest, run_check)
experiment = _by_keywords(ExperimentRequest, run_experiment)
