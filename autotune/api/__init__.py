"""The Python interface: what the command line does, with the same names and the same typed results."""

from __future__ import annotations

from autotune.api._compare import run_check, run_comparison
from autotune.api._experiment import run_experiment, write_experiment
from autotune.api._fleet import run_fleet
from autotune.api._keywords import check, compare, experiment, measure, tune, tune_all
from autotune.api._machine import clean, doctor
from autotune.api._measure import run_measurement
from autotune.api._run import run_study
from autotune.api._studies import (
    create_store,
    export,
    export_repository,
    export_study,
    find_studies,
    find_study,
    list_studies,
    log_study,
    open_store,
    outline_studies,
    report,
)

__all__ = [
    "check",
    "clean",
    "compare",
    "create_store",
    "doctor",
    "experiment",
    "export",
    "export_repository",
    "export_study",
    "find_studies",
    "find_study",
    "list_studies",
    "log_study",
    "measure",
    "open_store",
    "outline_studies",
    "report",
    "run_check",
    "run_comparison",
    "run_experiment",
    "run_fleet",
    "run_measurement",
    "run_study",
    "tune",
    "tune_all",
    "write_experiment",
]
