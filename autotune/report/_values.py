"""The values of an objective as a person reads them: inferences/s, latencies, sizes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from autotune.measurement import Measurement, value_of
from autotune.objective import Objective, Value
from autotune.report._format import latency, rate

_MS = 1e3
_MIB = 1 / 1024**2


def memory(size: float | None) -> str:
    """A size of three digits, ``56.8 MiB`` or ``1.5 GiB``; ``-`` for none."""
    if size is None or not math.isfinite(size):
        return "-"
    mib = size * _MIB
    return f"{mib:.3g} MiB" if mib < 1000 else f"{mib / 1024:.3g} GiB"


def shown_by(value: Value) -> Callable[[float | None], str]:
    """What writes a number of this value."""
    if value.maximise:
        return rate
    return memory if value.is_memory else latency


def column(value: Value) -> str:
    """What numbers of it are called: ``inferences/s``, ``p99`` or ``memory``."""
    return "inferences/s" if value.maximise else value.name


def in_words(value: Value, number: float | None) -> str:
    """A number with what it is: ``4,050 inferences/s``, ``p99 4.12ms`` or ``memory 512 MiB``."""
    shown = shown_by(value)(number)
    return f"{shown} inferences/s" if value.maximise else f"{value.name} {shown}"


def axis(value: Value) -> tuple[float, str]:
    """What numbers are multiplied by for an axis, and its unit in words."""
    if value.maximise:
        return 1.0, "inferences/s"
    return (_MIB, "memory in MiB") if value.is_memory else (_MS, f"{value.name} in ms")


def columns_beside(objective: Objective) -> list[tuple[str, Value]]:
    """The optimised values that a table of rates and of latencies at these rates lacks, with their names."""
    found = []
    for value in objective.values:
        if value.is_memory:
            found.append((column(value), value))
        elif value.is_latency and objective.goal == "throughput":
            per_s = objective.rate_per_s
            found.append((f"{value.name} {'alone' if per_s is None else f'at {rate(per_s)}'}", value))
    return found


def statistics_shown(objective: Objective, always: Sequence[str]) -> list[str]:
    """The latency statistics at the measured rate: those that are limited, those that are optimised, and more."""
    optimised = [each.name for each in objective.values if each.is_latency and objective.goal != "throughput"]
    return list(dict.fromkeys([*(each.key for each in objective.ceilings), *optimised, *always]))


def shown_of(measured: Measurement | None, value: Value) -> str:
    """What a measurement shows of a value; ``-`` for nothing."""
    return "-" if measured is None else shown_by(value)(value_of(measured, value))
