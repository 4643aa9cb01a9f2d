"""Models of 10 ms to 5 s a request: enough configs are tried, and several instances are found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pretended_studies import plan
from slow_models import SlowDeployment, slow_model

from autotune.environment import capture
from autotune.measurement import MeasureOptions
from autotune.objective import Ceiling, LoadName, Objective
from autotune.search import Coordinator, LocalExecutor, SilentObserver, StudyResult
from autotune.store import Store

SPACE = """
parameters:
  max_batch_size: [1, 2, 4, 8]
  dynamic_batching: [true, false]
  max_queue_delay_microseconds: [0, 1000, 10000]
  instance_count: {low: 1, high: 4}
"""


def study(
    tmp_path: Path, store: Store, item_s: float, load: LoadName, sampler: str, limit: float = 5.0
) -> tuple[StudyResult, float]:
    """A study with the time of 200 requests, a minute at least, and the part of it that was spent."""
    objective = Objective("throughput", (Ceiling("p99", limit * item_s),), load=load)
    deployment = SlowDeployment(slow_model(item_s))
    budget_s = max(60.0, 200 * item_s)
    wanted = plan(tmp_path, batch=8, trials=None, space=SPACE, final_rounds=3)
    wanted = replace(wanted, objective=objective, sampler=sampler, time_budget_s=budget_s)
    executor = LocalExecutor(deployment, objective, MeasureOptions(), tmp_path, clock=deployment.clock)  # type: ignore[arg-type]
    environment = capture({"mode": "pretended"}, "digest")
    result = Coordinator(wanted, store, executor, environment, SilentObserver(), deployment.clock).run()
    return result, deployment.clock() / budget_s


@pytest.mark.parametrize("limit", [5.0, 20.0])
@pytest.mark.parametrize("item_s", [0.01, 0.1, 1.0, 5.0])
def test_eight_configs_fit_into_the_time_of_200_requests(
    tmp_path: Path, store: Store, item_s: float, limit: float
) -> None:
    """Under a loose ceiling too: many outstanding requests would wait for most of the time."""
    result, spent = study(tmp_path, store, item_s, "open", "tpe", limit)
    assert len(result.trials) >= 8
    assert spent <= 1.1


@pytest.mark.parametrize(("item_s", "load", "limit"), [(0.1, "closed", 5.0), (5.0, "open", 5.0), (1.0, "open", 20.0)])
def test_several_instances_are_found_for_a_slow_model(
    tmp_path: Path, store: Store, item_s: float, load: LoadName, limit: float
) -> None:
    result, _ = study(tmp_path, store, item_s, load, "model", limit)
    assert len(result.trials) >= 8 or "no untried config" in result.stopped
    assert result.best is not None
    assert result.best.outcome.values is not None
    assert result.best.outcome.values["instance_count"] == 4


def test_a_quick_model_is_measured_as_without_a_time_budget(tmp_path: Path, store: Store) -> None:
    result, _ = study(tmp_path, store, 0.001, "open", "tpe")
    measured = result.trials[0].outcome.measurement
    assert measured is not None
    assert any(probe.purpose == "locate" and probe.concurrency is None for probe in measured.probes)
