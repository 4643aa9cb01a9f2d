"""What is optimised, and the limits that a config has to meet.

``"5ms"`` becomes a duration in seconds, ``--p99 5ms`` a `Ceiling`, and a goal with its ceilings an
`Objective`. Nothing here measures anything.
"""

from autotune.objective._ceiling import (
    FIRST_RESPONSE,
    MEAN,
    Ceiling,
    MemoryKind,
    MemoryLimit,
    ceiling_flag,
    latency_key,
    parse_ceilings,
)
from autotune.objective._objective import GoalName, LoadName, Objective
from autotune.objective._parse import parse_objective
from autotune.objective._units import format_duration, format_size, parse_duration, parse_percent, parse_size
from autotune.objective._value import MEMORY, Value

__all__ = [
    "FIRST_RESPONSE",
    "MEAN",
    "MEMORY",
    "Ceiling",
    "GoalName",
    "LoadName",
    "MemoryKind",
    "MemoryLimit",
    "Objective",
    "Value",
    "ceiling_flag",
    "format_duration",
    "format_size",
    "latency_key",
    "parse_ceilings",
    "parse_duration",
    "parse_objective",
    "parse_percent",
    "parse_size",
]
