"""What Optuna's tables and dashboard show of a trial beside its value: user attributes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from autotune.measurement import breakdown

if TYPE_CHECKING:
    from autotune.outcome import TrialOutcome

OUTCOME = "outcome"
"""The attribute that says how a trial ended: the value of its `autotune.outcome.OutcomeKind`."""

_LONGEST = 500  # characters of a message; Optuna's tables hold 2,048


def user_attributes(label: str, outcome: TrialOutcome) -> dict[str, str | float | bool | int | None]:
    """User attributes by name, with the unit in the name; those that are unknown are left out.

    Latency, mean batch, queue share (of a request's mean latency) and memory are of the window that decided.
    """
    found: dict[str, str | float | bool | int | None] = {"label": label, OUTCOME: outcome.kind.value}
    if outcome.message:
        found["message"] = outcome.message[:_LONGEST]
    measured = outcome.measurement
    for statistic, seconds in (measured.latency_s if measured else {}).items():
        found[f"{statistic} (ms)"] = round(seconds * 1e3, 4) if math.isfinite(seconds) else str(seconds)
    decided = measured.decided_by if measured else None
    if decided is not None:
        if decided.server.batch_executions and not decided.steps:  # an ensemble's steps form the batches
            found["mean batch"] = round(decided.server.mean_batch_size, 3)
        parts = breakdown(decided)
        if parts is not None and decided.client is not None and decided.client.total_s > 0:
            found["queue share (%)"] = round(100 * parts.queue_s / decided.client.total_s, 2)
        usage = decided.usage
        if usage is not None and usage.memory_bytes is not None:
            found["server memory (MB)"] = round(usage.memory_bytes / 1e6, 1)
        if usage is not None and usage.gpu_memory_bytes is not None:
            found["GPU memory (MB)"] = round(usage.gpu_memory_bytes / 1e6, 1)
    for name, value in outcome.served_values or ():
        found[f"served {name}"] = value
    if outcome.forecast is not None:
        found["simulated"] = round(outcome.forecast.simulated, 6)
    return found
