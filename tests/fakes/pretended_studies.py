"""Studies whose trials are pretended, without a server."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from simulated_server import SimulatedServer

from autotune.environment import capture
from autotune.measurement import Measurement, MeasureOptions, Meter
from autotune.objective import Ceiling, Objective
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.repository import ModelConfig, ModelSpec
from autotune.search import (
    Coordinator,
    SilentObserver,
    StudyPlan,
    StudyResult,
    Trial,
    TrialWatch,
)
from autotune.space import JointSpace, SearchSpace
from autotune.store import Store, database_url

OBJECTIVE = Objective("throughput", (Ceiling("p99", 0.005),))


SPACE = """
parameters:
  max_batch_size: [1, 2, 4, 8]
  dynamic_batching: [true, false]
  max_queue_delay_microseconds: [0, 1000]
  instance_count: [1, 2]
"""


OWN = 'name: "net"\nbackend: "python"\nmax_batch_size: {batch}\ninstance_group [{{ count: 1 kind: KIND_CPU }}]\n'


@cache
def measured(service_s: float) -> Measurement:
    server = SimulatedServer(service_s)
    return Meter(server, server, OBJECTIVE, MeasureOptions.of(0.2)).measure()


class PretendedExecutor:
    """Larger batches and more instances serve faster; ``fails`` names how some trials end."""

    def __init__(self, fails: dict[int, OutcomeKind] | None = None, seconds: float = 0.1) -> None:
        self.trials: list[Trial] = []
        self._fails = fails or {}
        self._seconds = seconds

    def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
        self.trials.append(trial)
        kind = self._fails.get(len(self.trials) - 1)
        batch, instances = trial.configs.asked.max_batch_size, trial.configs.asked.instance_count
        measurement = None if kind else measured(0.002 / (max(1, batch) * max(1, instances)) ** 0.5)
        return TrialOutcome(
            kind=kind or OutcomeKind.FEASIBLE,
            candidate=trial.candidate,
            configs=trial.configs.texts(),
            measurement=measurement,
            message="refused" if kind else "",
            seconds=self._seconds,
        )


@pytest.fixture
def store(tmp_path: Path):
    opened = Store.open(database_url(tmp_path))
    yield opened
    opened.close()


def plan(tmp_path: Path, *, batch: int = 1, trials: int | None = 6, space: str = SPACE, **changes: object) -> StudyPlan:
    path = tmp_path / "space.yaml"
    path.write_text(space)
    config = ModelConfig.parse(OWN.format(batch=batch), "config.pbtxt")
    spec = ModelSpec("net", tmp_path / "net", config, has_config=True, batch_dimension="dynamic", versions=(1,))
    whole = StudyPlan(
        name="study",
        models=(spec,),
        space=JointSpace({spec.name: SearchSpace.load(path)}),
        objective=OBJECTIVE,
        sampler="tpe",
        seed=1,
        trials=trials,
        time_budget_s=None,
        final_rounds=0,
    )
    return replace(whole, **changes)


def run(plan: StudyPlan, store: Store, executor: PretendedExecutor) -> StudyResult:
    return Coordinator(plan, store, executor, capture({"mode": "pretended"}, "digest"), SilentObserver()).run()
