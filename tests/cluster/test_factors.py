"""Hosts of one kind that differ in speed: what they measure is compared by factors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pretended_studies import PretendedExecutor, plan

from autotune.cluster import Job, RayWorkers
from autotune.cluster._connection import connected, on_each
from autotune.cluster._factors import HostFactors
from autotune.cluster._worker import clean
from autotune.outcome import HostFactor, OutcomeKind, TrialOutcome
from autotune.search import Coordinator, SilentObserver, StudyPlan, Trial, TrialWatch, score
from autotune.store import Store, database_url
from benchmarks.replay._emulated import DEVICE, EmulatedSetup
from benchmarks.replay._grid import Grid

GRID = Path(__file__).parents[2] / "benchmarks" / "replay" / "grids" / "accelerator.json"
SMALL = {"object_store_memory": 80 * 2**20}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "resources": {"trial": 1}, "include_dashboard": False, **SMALL}
    started = Cluster(initialize_head=True, head_node_args=head)
    started.add_node(num_cpus=1, resources={"trial": 1}, **SMALL)
    yield started
    started.shutdown()


def test_trials_of_a_slower_host_are_compared_at_the_speed_of_the_baselines_host(cluster: Any, tmp_path: Path) -> None:
    grid = Grid.read(GRID)
    asked = StudyPlan(
        "s", grid.subject.models, grid.space, grid.subject.objective, "random", 0, 10, None, final_rounds=0
    )
    notes: list[str] = []
    with connected(cluster.address) as ray:
        slow = ray.nodes()[1]["NodeID"]
        job = Job("factors", EmulatedSetup(GRID, 0.01, noise=0.005, speeds={slow: 0.8}), DEVICE.digest)
        logs = tmp_path / "logs"
        workers = RayWorkers(ray, job, {"trial": 1.0}, DEVICE, logs, notes.append, objective=asked.objective)
        store = Store.open(database_url(tmp_path))
        Coordinator(asked, store, workers, DEVICE, SilentObserver(), workers=workers).run()
        stored = store.trials(store.studies()[0])
        store.close()
        on_each(ray, workers.nodes(), clean, job)
        at_home = 0.8 if workers.home == slow else 1.0

    feasible = [trial.outcome for trial in stored if trial.outcome.feasible]
    factors = [each.host_factor for each in feasible if each.host_factor]
    assert len(stored) == 10
    assert 0 < len(factors) < len(feasible)
    for factor in factors:
        assert factor.value == pytest.approx((0.8 if at_home == 1 else 1.0) / at_home, rel=0.03)
    for outcome in feasible:
        assert score(outcome, asked.objective) == pytest.approx(grid.rate_of(outcome.candidate) * at_home, rel=0.05)
    assert sum("trials there are corrected by this factor" in note for note in notes) == 1


def outcome_of(per_s: float, tmp_path: Path) -> TrialOutcome:
    asked = plan(tmp_path, trials=1)
    trial = Trial(0, None, asked.base)
    measured = PretendedExecutor().execute(trial, TrialWatch())
    assert measured.measurement is not None
    measurement = replace(measured.measurement, rate_per_s=per_s)
    return replace(measured, kind=OutcomeKind.FEASIBLE, measurement=measurement)


@pytest.fixture
def factors(tmp_path: Path) -> HostFactors:
    """The baseline has ended on host ``a``, and a trial waits on host ``b``."""
    asked = plan(tmp_path, trials=1)
    made = HostFactors(asked.objective)
    baseline = Trial(0, None, asked.base, baseline=True)
    made.submitted(baseline)
    assert made.ended("node-b", "b", Trial(1, None, asked.base), outcome_of(90.0, tmp_path)) == []
    assert made.release() is None
    runs = made.ended("node-a", "a", baseline, outcome_of(100.0, tmp_path))
    assert [node for node, _ in runs] == ["node-b", "node-b", "node-a"]
    return made


def test_a_factor_is_a_contrast_of_two_means_drawn_towards_one_by_its_error(
    factors: HostFactors, tmp_path: Path
) -> None:
    for node, per_s in (("node-b", 80.0), ("node-b", 82.0), ("node-a", 101.0)):
        factors.measured(node, outcome_of(per_s, tmp_path))

    factor = factors.factor("node-b")
    assert factor is not None
    # Two groups of two: s^2 = (d_a^2 + d_b^2) / 4 with the differences d of the logarithms, and s^2 (1/2 + 1/2).
    error = math.sqrt((math.log(82 / 80) ** 2 + math.log(101 / 100) ** 2) / 4)
    weight = 1 / (1 + (error / 0.05) ** 2)
    assert math.log(factor.value) == pytest.approx(weight * math.log(math.sqrt(80 * 82 / (100 * 101))))
    assert factor.deviation == pytest.approx(error * math.sqrt(weight))
    low, high = factors.interval(factor)
    assert math.log(high / factor.value) == pytest.approx(1.96 * factor.deviation, rel=1e-3)
    assert low * high == pytest.approx(factor.value**2)

    first, second = factors.release(), factors.release()
    assert first is not None
    assert second is not None
    assert first.outcome.host_factor == factor
    assert second.outcome.host_factor is None


@pytest.mark.parametrize("lost", ["node-a", "node-b"])
def test_trials_are_taken_as_they_stand_if_the_baseline_cannot_be_measured_on_a_host(
    factors: HostFactors, tmp_path: Path, lost: str
) -> None:
    factors.measured(lost, None)
    released = [factors.release(), factors.release()]
    assert [each.outcome.host_factor for each in released if each] == [None, None]


def test_a_run_that_goes_on_with_a_study_uses_the_factors_that_were_found_before(tmp_path: Path) -> None:
    asked = plan(tmp_path, trials=1)
    factors = HostFactors(asked.objective)
    factors.recalled["b"] = HostFactor("b", 0.8, 0.01)
    factors.ended("node-b", "b", Trial(7, None, asked.base), outcome_of(80.0, tmp_path))
    released = factors.release()
    assert released is not None
    assert score(released.outcome, asked.objective) == pytest.approx(100.0)


def test_a_factor_that_noise_made_is_near_one(factors: HostFactors, tmp_path: Path) -> None:
    for node, per_s in (("node-b", 300.0), ("node-b", 150.0), ("node-a", 110.0)):
        factors.measured(node, outcome_of(per_s, tmp_path))
    factor = factors.factor("node-b")
    assert factor is not None
    assert factor.value == pytest.approx(1, abs=0.03)
