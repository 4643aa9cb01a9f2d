"""A space, and trials of it, for tests of predictions."""

from __future__ import annotations

import pytest
from service_windows import saturated, screen, sharing

from autotune.measurement import Measurement
from autotune.objective import Ceiling, Objective
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.repository import ModelConfig
from autotune.space import Candidate, SearchSpace

OBJECTIVE = Objective("throughput", (Ceiling("p99", 0.02),))


SPACE = """
parameters:
  max_batch_size: [1, 8, 32, 64]
  dynamic_batching: [true, false]
  max_queue_delay_microseconds: [0, 1000]
  instance_count: [1, 4]
"""


BASE = ModelConfig.parse(
    'name: "net"\nbackend: "python"\nmax_batch_size: 8\ninstance_group [{ count: 1 kind: KIND_CPU }]\n'
    'input [{ name: "x" data_type: TYPE_FP32 dims: [4] }]\noutput [{ name: "y" data_type: TYPE_FP32 dims: [4] }]\n',
    "config.pbtxt",
)


def outcome(
    candidate: Candidate | None, instances: int, rate_per_s: float | None, *, beaten_by_per_s: float | None = None
) -> TrialOutcome:
    """A trial of so many instances that found a rate, or was beaten, or neither."""
    sizes = (1, 8, 32, 64)
    windows = [screen(), *(saturated(size) if instances == 1 else sharing(size, instances) for size in sizes)]
    kind = OutcomeKind.FEASIBLE if rate_per_s else OutcomeKind.PRUNED if beaten_by_per_s else OutcomeKind.INFEASIBLE
    measurement = Measurement(
        feasible=kind is OutcomeKind.FEASIBLE,
        rate_per_s=rate_per_s or 0.0,
        first_failing_per_s=None,
        latency_s={"p99": 0.019},
        ceilings=OBJECTIVE.ceilings,
        violations={},
        decided_by=windows[-1].probe,
        probes=tuple(each.probe for each in windows),
        seconds=1.0,
        beaten_by_per_s=beaten_by_per_s,
    )
    config = BASE.with_value("instance_group.count", instances)
    return TrialOutcome(kind, candidate, {"net": config.to_text()}, measurement)


@pytest.fixture
def space() -> SearchSpace:
    return SearchSpace.parse(SPACE, "space.yaml")


def candidate(space: SearchSpace, batch: int, instances: int, *, dynamic: bool = True, delay: int = 0) -> Candidate:
    return space.canonical(
        {
            **{parameter.optuna_name: parameter.to_optuna(parameter.choices[0]) for parameter in space.parameters},
            **space.optuna_params(
                Candidate(
                    (
                        ("max_batch_size", batch),
                        ("dynamic_batching", dynamic),
                        ("max_queue_delay_microseconds", delay),
                        ("instance_count", instances),
                    )
                )
            ),
        }
    )


def instances(wanted: Candidate) -> int:
    return int(str(wanted["instance_count"]))
