"""Workers and nodes of a real Ray cluster that are lost in the middle of a study; devices are emulated."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from killed_runs import wait_until

from autotune.cluster import Job, RayWorkers
from autotune.cluster._connection import connected, fitting_nodes, on_each
from autotune.cluster._worker import clean
from autotune.errors import UsageError
from autotune.search import Coordinator, SilentObserver, StudyPlan
from autotune.store import Store, database_url
from benchmarks.replay._emulated import DEVICE, EmulatedSetup
from benchmarks.replay._grid import Grid

pytest.importorskip("ray")
GRID = Path(__file__).parents[2] / "benchmarks" / "replay" / "grids" / "accelerator.json"
SMALL = {"object_store_memory": 80 * 2**20}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **SMALL})
    started.removable = started.add_node(num_cpus=2, resources={"trial": 2}, **SMALL)
    started.add_node(num_cpus=2, resources={"trial": 2}, **SMALL)
    yield started
    started.shutdown()


def study(trials: int) -> StudyPlan:
    grid = Grid.read(GRID)
    subject = grid.subject
    return StudyPlan("s", subject.models, grid.space, subject.objective, "random", 0, trials, None, final_rounds=0)


def test_no_trial_is_lost_or_counted_twice_when_workers_and_a_node_are_killed(cluster: Any, tmp_path: Path) -> None:
    (starts := tmp_path / "starts").mkdir()
    killed: list[int] = []

    def kill() -> None:
        for _ in range(3):
            before = {path.name for path in starts.iterdir()}
            wait_until(lambda before=before: {path.name for path in starts.iterdir()} - before)
            latest = max(starts.iterdir(), key=lambda path: path.stat().st_mtime)
            killed.append(int(latest.name.split("-")[1]))
            os.kill(killed[-1], signal.SIGKILL)
        cluster.remove_node(cluster.removable, allow_graceful=False)

    with connected(cluster.address) as ray:
        job = Job("losses", EmulatedSetup(GRID, 0.1, starts), DEVICE.digest)
        workers = RayWorkers(ray, job, {"trial": 1.0}, DEVICE, tmp_path / "logs", lambda text: None)
        assert workers.count == 4
        store = Store.open(database_url(tmp_path))
        thread = threading.Thread(target=kill)
        thread.start()
        Coordinator(study(12), store, workers, DEVICE, SilentObserver(), workers=workers).run()
        thread.join()
        stored = store.trials(store.studies()[0])
        store.close()
        wait_until(lambda: len(workers.nodes()) == 1)  # Ray notices the loss of a node after a while
        on_each(ray, workers.nodes(), clean, job)
        assert not job.directory.exists()

    assert len(killed) == 3
    assert sorted(trial.number for trial in stored) == list(range(12))
    assert all(not trial.outcome.failed for trial in stored)
    assert len(list(starts.iterdir())) > 12  # those that were lost were started again


def test_a_node_of_another_kind_gets_no_trial(cluster: Any, tmp_path: Path) -> None:
    """A worker that joins late is not inspected before the study; its trial is run elsewhere."""
    notes: list[str] = []
    other = replace(DEVICE, cpu_model="another")
    with connected(cluster.address) as ray:
        job = Job("kinds", EmulatedSetup(GRID, 0.01, environment=other), DEVICE.digest)
        workers = RayWorkers(ray, job, {"trial": 1.0}, DEVICE, tmp_path / "logs", notes.append)
        store = Store.open(database_url(tmp_path))
        with pytest.raises(UsageError, match="no node of the study's kind is left"):
            Coordinator(study(3), store, workers, DEVICE, SilentObserver(), workers=workers).run()
        store.close()
        on_each(ray, fitting_nodes(ray, {"trial": 1.0}), clean, job)
    assert any(
        "has other hardware or versions, so it is not used (CPU: emulated before, another now)" in note
        for note in notes
    )


def test_an_address_without_a_cluster_is_refused_soon() -> None:
    begun = time.monotonic()
    with (
        pytest.raises(UsageError, match=r"^--address: 127.0.0.1:9 does not answer .*; start a cluster"),
        connected("127.0.0.1:9"),
    ):
        pass
    assert time.monotonic() - begun < 10


def test_a_resource_that_no_node_has_is_refused_with_what_there_is(cluster: Any) -> None:
    with (
        connected(cluster.address) as ray,
        pytest.raises(UsageError, match=r"^--executor: no node of the cluster has 1 GPU; .*2 CPU, 2 trial"),
    ):
        fitting_nodes(ray, {"GPU": 1.0})
