"""Requests: every option of a command as a field, checked before anything is started or written.

The command line, the environment variables, the keys of ``--config`` and the Python keywords all come from these
fields. A new option is one field here, and the line that uses it.
"""

from autotune.request._compare import CheckRequest, CompareRequest, ComparisonRequest, Named
from autotune.request._experiment import Entry, ExperimentRequest
from autotune.request._experiment_file import ExperimentFile
from autotune.request._measure import MeasureRequest
from autotune.request._model import ModelRequest
from autotune.request._objective_flags import objective_flags
from autotune.request._option import (
    AT_LEAST_ONE,
    AT_LEAST_ZERO,
    Allowed,
    Option,
    Panel,
    Request,
    option,
    option_of,
    options_of,
)
from autotune.request._prices import Prices
from autotune.request._run import DEFAULT_TRIALS, RunRequest, default_study_name
from autotune.request._server import ServerRequest
from autotune.request._store import StoreRequest
from autotune.request._traffic import TrafficRequest, expected_payloads

__all__ = [
    "AT_LEAST_ONE",
    "AT_LEAST_ZERO",
    "DEFAULT_TRIALS",
    "Allowed",
    "CheckRequest",
    "CompareRequest",
    "ComparisonRequest",
    "Entry",
    "ExperimentFile",
    "ExperimentRequest",
    "MeasureRequest",
    "ModelRequest",
    "Named",
    "Option",
    "Panel",
    "Prices",
    "Request",
    "RunRequest",
    "ServerRequest",
    "StoreRequest",
    "TrafficRequest",
    "default_study_name",
    "expected_payloads",
    "objective_flags",
    "option",
    "option_of",
    "options_of",
]
