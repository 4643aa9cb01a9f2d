"""What windows show of a model that calls others while it executes (Triton's business logic scripting).

Its instance is held until its calls have ended. So it is a pipeline that as many requests are in as it has instances:
its own time first, then the models that it calls, one after the other, or side by side if their times add up to more
than its executions take.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autotune.measurement import Probe
from autotune.prediction._together import parts_of
from autotune.simulator import ServiceTimes

_SHORTEST_S = 1e-6  # an execution takes some time
_SIDE_BY_SIDE = 1.05  # times an execution that the calls' times add up to; the two are measured apart


def calls_in_words(model: str, probes: Sequence[Probe], most_off: float) -> str:
    """Why its calls cannot be simulated; empty if each request calls every model once, up to the part ``most_off``."""
    asked = sum(probe.server.success_count for probe in probes)
    for place, (step, _) in enumerate(parts_of(probes[-1])):
        calls = sum(probe.called[place].server.success_count for probe in probes)
        if abs(calls - asked) > most_off * asked:
            return f"a request to {model} calls {step.model} {calls / max(1, asked):.2g} times, not once"
    return ""


def caller_times(alone: Probe) -> tuple[ServiceTimes, bool]:
    """The time of a calling model's executions without its calls, and whether it makes these side by side.

    Args:
        alone: A window of one request at a time.
    """
    server = alone.server
    execution_s = server.busy_s / max(1, server.success_count)
    calls_s = [each.mean_s for each in alone.called]
    beside = sum(calls_s) > _SIDE_BY_SIDE * execution_s
    own_s = max(_SHORTEST_S, execution_s - (max(calls_s) if beside else sum(calls_s)))
    return ServiceTimes(np.array([own_s]), np.zeros(1), np.zeros(1), np.ones(1)), beside


def after_calls(models: int, *, beside: bool) -> list[tuple[int, ...]]:
    """The places that the caller and the ``models`` it calls wait for, the caller in front."""
    return [(), *((0,) if beside else (place,) for place in range(models))]
