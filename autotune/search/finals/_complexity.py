"""What a config asks of whoever operates it."""

from __future__ import annotations

import math

from autotune.search._score import BASELINE
from autotune.store import TrialRecord


def complexity(trial: TrialRecord) -> tuple[bool, int, bool, bool, int]:
    """How much a config asks of whoever operates it; the baseline asks nothing."""
    values = trial.outcome.values.as_dict() if trial.outcome.values else {}
    return (
        trial.label != BASELINE,
        _whole(values.get("instance_count")),
        values.get("preferred_batch_size") not in (None, "none"),
        bool(values.get("max_queue_delay_microseconds")),
        _whole(values.get("max_batch_size")),
    )


def instances(trial: TrialRecord) -> float:
    """The instances that a config's server had, of an ensemble those of its steps; infinite if unknown."""
    measured = trial.outcome.measurement
    if measured is None:
        return math.inf
    steps = measured.serving.steps if measured.serving else ()
    return sum(each.instances for each in steps) or measured.instances or math.inf


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
