"""From latencies to a verdict: the highest load at which every ceiling is met."""

from autotune.measurement._breakdown import Breakdown, StepTimes, breakdown
from autotune.measurement._deployment import Deployment, Served
from autotune.measurement._guards import Guards
from autotune.measurement._loads import load_words, parse_sweep, schedules
from autotune.measurement._meter import Meter
from autotune.measurement._options import MeasureOptions
from autotune.measurement._probe import run_probe
from autotune.measurement._prober import OnProbe, TimeIsUp
from autotune.measurement._question import CERTIFIED_RATE, LOCATED_RATE, ROUGH_RATE, ROUND, Question
from autotune.measurement._reasons import Disturbance, DisturbanceKind, Infeasible, Limit, LimitKind
from autotune.measurement._serving import Serving, Step, StepWindow, Stream
from autotune.measurement._sizes import between_jumps, sizes_up_to
from autotune.measurement._sweep import Slo, SweepResult, sweep
from autotune.measurement._types import ClientTimes, Evidence, Measurement, Probe, Purpose, StreamWindow, Usage, Verdict
from autotune.measurement._values import most_memory, value_of

__all__ = [
    "CERTIFIED_RATE",
    "LOCATED_RATE",
    "ROUGH_RATE",
    "ROUND",
    "Breakdown",
    "ClientTimes",
    "Deployment",
    "Disturbance",
    "DisturbanceKind",
    "Evidence",
    "Guards",
    "Infeasible",
    "Limit",
    "LimitKind",
    "MeasureOptions",
    "Measurement",
    "Meter",
    "OnProbe",
    "Probe",
    "Purpose",
    "Question",
    "Served",
    "Serving",
    "Slo",
    "Step",
    "StepTimes",
    "StepWindow",
    "Stream",
    "StreamWindow",
    "SweepResult",
    "TimeIsUp",
    "Usage",
    "Verdict",
    "between_jumps",
    "breakdown",
    "load_words",
    "most_memory",
    "parse_sweep",
    "run_probe",
    "schedules",
    "sizes_up_to",
    "sweep",
    "value_of",
]
