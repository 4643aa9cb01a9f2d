from ._breakdown import Breakdown as Breakdown, StepTimes as StepTimes, breakdown as breakdown, own_time as own_time
from ._deployment import Deployment as Deployment, Served as Served
from ._guards import Guards as Guards
from ._loads import load_words as load_words, parse_sweep as parse_sweep, schedules as schedules
from ._meter import Meter as Meter
from ._options import MeasureOptions as MeasureOptions
from ._probe import run_probe as run_probe
from ._prober import OnProbe as OnProbe, TimeIsUp as TimeIsUp
from ._question import (
    CERTIFIED_RATE as CERTIFIED_RATE,
    LOCATED_RATE as LOCATED_RATE,
    ROUGH_RATE as ROUGH_RATE,
    ROUND as ROUND,
    Question as Question,
)
from ._reasons import (
    Disturbance as Disturbance,
    DisturbanceKind as DisturbanceKind,
    Infeasible as Infeasible,
    Limit as Limit,
    LimitKind as LimitKind,
)
from ._serving import Serving as Serving, Step as Step, StepWindow as StepWindow, Stream as Stream
from ._sizes import sizes_up_to as sizes_up_to, unclear_sizes as unclear_sizes
from ._sweep import Slo as Slo, SweepResult as SweepResult, sweep as sweep
from ._types import (
    ClientTimes as ClientTimes,
    Evidence as Evidence,
    Measurement as Measurement,
    Probe as Probe,
    Purpose as Purpose,
    StreamWindow as StreamWindow,
    Usage as Usage,
    Verdict as Verdict,
)
from ._values import most_memory as most_memory, value_of as value_of
