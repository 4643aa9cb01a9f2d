"""What a config asks of whoever operates it."""

from __future__ import annotations

import math

from autotune.search._score import BASELINE
from autotune.space import ParameterValue
from autotune.store import TrialRecord


def complexity(trial: TrialRecord) -> tuple[bool, int, bool, bool, int]:
    """How much a config asks of whoever operates it; the baseline asks nothing."""
    values = trial.outcome.values.as_dict() if trial.outcome.values else {}

    def of(name: str) -> list[ParameterValue]:
        """Its values, of several models that are tuned each one's."""
        return [value for parameter, value in values.items() if parameter.rpartition("/")[2] == name]

    return (
        trial.label != BASELINE,
        sum(map(_whole, of("instance_count"))),
        any(value != "none" for value in of("preferred_batch_size")),
        any(of("max_queue_delay_microseconds")),
        sum(map(_whole, of("max_batch_size"))),
    )


def instances(trial: TrialRecord) -> float:
    """A config's instances: the model's and its called models', or an ensemble's steps'; infinite if unknown."""
    measured = trial.outcome.measurement
    if measured is None:
        return math.inf
    serving = measured.serving
    if serving is not None and serving.steps:
        return sum(each.instances for each in serving.steps)
    called = sum(each.instances for each in serving.called) if serving is not None else 0
    return measured.instances + called if measured.instances else math.inf


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
