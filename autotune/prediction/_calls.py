"""What windows show of a model that calls others while it executes (Triton's business logic scripting).

Its instance is held until its calls have ended. So it is simulated as a pipeline with no more requests under way than
it has instances: its own time first, then the models that it calls, one after the other, or side by side if their times
add up to more than its executions take.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autotune.measurement import Probe, own_time
from autotune.prediction._together import parts_of
from autotune.simulator import ServiceTimes

_SHORTEST_S = 1e-6  # an execution takes some time


def why_not_simulated(model: str, probes: Sequence[Probe], tolerance: float) -> str:
    """Why its calls are not simulated; empty if each request calls every model once, up to the part ``tolerance``.

    Requests of several items are left out: a model may call others for each item.
    """
    counted = [probe for probe in probes if probe.purpose not in ("sizes", "warm-up")]
    for name in (step.model for step, _ in parts_of(probes[-1])):
        pairs = [(probe.server, each.server) for probe in counted for each in probe.called if each.step.model == name]
        asked = sum(server.success_count for server, _ in pairs)
        calls = sum(server.success_count for _, server in pairs)
        if abs(calls - asked) > tolerance * asked:
            return f"a request to {model} calls {name} {calls / max(1, asked):.2g} times, not once"
        if not any(server.batch_compute_ns for _, server in pairs):
            return f"{model} calls {name}, which Triton reports no executions of"
    return ""


def caller_times(alone: Probe) -> tuple[ServiceTimes, bool]:
    """The time of a calling model's executions without its calls, and whether it makes these side by side.

    Args:
        alone: A window of one request at a time.
    """
    own_s, side_by_side = own_time(alone)
    return ServiceTimes(np.array([max(_SHORTEST_S, own_s)]), np.zeros(1), np.zeros(1), np.ones(1)), side_by_side


def after_calls(models: int, *, side_by_side: bool) -> list[tuple[int, ...]]:
    """The places that the caller and the ``models`` it calls wait for, the caller in front."""
    return [(), *((0,) if side_by_side else (place,) for place in range(models))]
