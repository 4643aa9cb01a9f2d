"""Trials of a real Triton on the nodes of a real Ray cluster, all on this machine."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from killed_runs import write_sleeper

from autotune.search import stored_result
from autotune.store import Store, database_url

pytest.importorskip("ray")
STORE_BYTES = 80 * 2**20


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    from ray.cluster_utils import Cluster

    small = {"object_store_memory": STORE_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **small})
    cluster.add_node(num_cpus=1, resources={"trial": 2}, **small)
    yield cluster.address
    cluster.shutdown()


def run(address: str, tmp_path: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    models = tmp_path / "models"
    if not models.exists():
        write_sleeper(models)
    line = [sys.executable, "-m", "autotune", "run", "--model-repository", str(models), "--model", "double"]
    line += ["--results", str(tmp_path / "results"), "--p99", "500ms", "--window", "100ms", "--certify-time", "2s"]
    line += ["--executor", "ray", "--address", address, "--plain", *flags]
    line += [] if "--launch" in flags else ["--launch", "embedded"]
    return subprocess.run(line, capture_output=True, text=True, timeout=240, check=False)


def worker_directories() -> set[Path]:
    """Those of real studies, whose names are random."""
    found = Path(tempfile.gettempdir()).glob("autotune-worker-*")
    return {each for each in found if re.fullmatch(r"autotune-worker-[0-9a-f]{12}", each.name)}


def test_a_study_runs_on_the_nodes_from_a_copy_of_the_models_and_leaves_nothing(address: str, tmp_path: Path) -> None:
    before = worker_directories()
    flags = ("--worker-resource", "trial=1", "--staging", "copy", "--trials", "4", "--final-rounds", "0")
    ended = run(address, tmp_path, *flags, "--study", "s")

    assert ended.returncode == 0, ended.stderr
    assert re.search(r"2 trials fit on 1 node", ended.stderr)
    store = Store.open(database_url(tmp_path / "results"))
    found = stored_result(store, "s", tmp_path / "results")
    store.close()
    assert sorted(trial.number for trial in found.trials) == [0, 1, 2, 3]
    logs = [trial.outcome.log_path for trial in found.trials]
    assert all(log is not None and log.read_text().startswith("# on ") for log in logs)
    assert worker_directories() <= before
    servers = [
        each for each in psutil.process_iter(["cmdline"]) if "--model-repository" in (each.info["cmdline"] or ())
    ]
    assert not [each for each in servers if "autotune-worker-" in " ".join(each.info["cmdline"])]


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ((), r"--executor: no node of the cluster has 1 GPU; it has 2 nodes \(.*2 trial.*\); use --worker-cpus"),
        (("--worker-cpus", "64"), r"--worker-cpus: no node of the cluster has 64 CPU; .*1 CPU, 2 trial"),
        (("--worker-resource", "trial", "--launch", "local"), r"--launch local: .*"),
    ],
)
def test_what_the_nodes_lack_is_named_and_nothing_is_written(
    address: str, tmp_path: Path, flags: tuple[str, ...], line: str
) -> None:
    ended = run(address, tmp_path, *flags)

    assert ended.returncode == 2, ended.stderr
    assert re.search(line, ended.stderr), ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "results").exists()
