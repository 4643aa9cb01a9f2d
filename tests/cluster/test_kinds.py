"""A real Ray cluster whose nodes differ: refused, or with ``--per-hardware`` one study a kind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from killed_runs import write_sleeper

pytest.importorskip("ray")
SMALL = {"object_store_memory": 80 * 2**20}
CORES = sorted(os.sched_getaffinity(0))
needs_two_cores = pytest.mark.skipif(len(CORES) < 2, reason="kinds differ in the cores that a node may use")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A node that may use one core, and one that may use two."""
    from ray.cluster_utils import Cluster

    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **SMALL})
    try:
        for usable in (CORES[:1], CORES[:2]):
            os.sched_setaffinity(0, usable)
            started.add_node(num_cpus=1, resources={"trial": 1}, **SMALL)
    finally:
        os.sched_setaffinity(0, CORES)
    yield started
    started.shutdown()


def run(cluster: Any, place: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    if not (place / "models").exists():
        write_sleeper(place / "models")
    where = ("--model-repository", str(place / "models"), "--results", str(place / "results"), "--launch", "embedded")
    on = ("--executor", "ray", "--address", cluster.address, "--worker-resource", "trial=1")
    how = ("--p99", "500ms", "--trials", "1", "--final-rounds", "0", "--window", "50ms", "--confidence", "0.6")
    line = [sys.executable, "-m", "autotune", "run", *where, *on, *how, *flags]
    return subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)


@needs_two_cores
def test_each_kind_gets_a_study_and_a_row_with_what_its_throughput_costs(cluster: Any, tmp_path: Path) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text('"*-1-core": 0.5\n"*-2-cores": 2.0\n')
    done = run(cluster, tmp_path, "--per-hardware", "--prices", str(prices), "--study", "s", "--json")

    assert done.returncode == 0, done.stderr
    rows = {each["hardware"]["cores"]: each for each in json.loads(done.stdout)["models"]}
    assert set(rows) == {1.0, 2.0}
    for cores, price in ((1.0, 0.5), (2.0, 2.0)):
        row = rows[cores]
        hardware = row["hardware"]
        assert row["study"]["study"] == f"s-{hardware['kind']}"
        assert hardware["kind"].endswith("-1-core" if cores == 1 else "-2-cores")
        assert hardware["rate_per_device"] == pytest.approx(hardware["rate_per_s"] / cores)
        assert hardware["inferences_per_price"] == pytest.approx(hardware["rate_per_s"] * 3600 / price)
        log = (tmp_path / "results" / row["study"]["study"] / "logs" / "trial-0000.log").read_text()
        assert log.startswith("# on ")


@needs_two_cores
@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ((), "--executor: ray, nodes of 2 kinds cannot be compared (CPU cores available:"),
        (("--per-hardware", "--prices", "PRICES"), "--prices: PRICES has no price for '"),
    ],
    ids=["mixed", "no price"],
)
def test_what_cannot_be_compared_is_refused_before_a_trial(
    cluster: Any, tmp_path: Path, flags: tuple[str, ...], line: str
) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text("nvidia-h200: 4.2\n")
    done = run(cluster, tmp_path, *(str(prices) if each == "PRICES" else each for each in flags))

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert line.replace("PRICES", str(prices)) in done.stderr
    assert ("add --per-hardware" in done.stderr) == (not flags)
    assert not (tmp_path / "results").exists() or not list((tmp_path / "results").iterdir())
