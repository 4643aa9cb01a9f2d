"""From latencies to a verdict: the highest rate that keeps the promise."""

from autotune.measurement._deployment import Deployment, Served
from autotune.measurement._loads import parse_sweep, schedules
from autotune.measurement._meter import Meter, OnProbe
from autotune.measurement._options import MeasureOptions
from autotune.measurement._probe import run_probe
from autotune.measurement._sweep import SweepResult, sweep
from autotune.measurement._types import Measurement, Probe, Purpose

__all__ = [
    "Deployment",
    "MeasureOptions",
    "Measurement",
    "Meter",
    "OnProbe",
    "Probe",
    "Purpose",
    "Served",
    "SweepResult",
    "parse_sweep",
    "run_probe",
    "schedules",
    "sweep",
]
