"""A real Ray cluster whose nodes differ: refused, or with ``--per-hardware`` one study a kind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_models import write_double

from autotune.cluster import Facts
from autotune.cluster._connection import Node
from autotune.cluster._kinds import kinds_of, only_kind
from autotune.cluster._worker import Inspection
from autotune.environment import Gpu, kind_names
from autotune.errors import UsageError
from benchmarks.replay._emulated import DEVICE

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
        write_double(place / "models")
    where = ("--model-repository", str(place / "models"), "--results", str(place / "results"), "--launch", "embedded")
    on = ("--executor", "ray", "--address", cluster.address, "--worker-resource", "trial=1")
    how = (
        "--objective",
        "latency",
        "--rate",
        "200",
        "--trials",
        "1",
        "--final-rounds",
        "0",
        "--window",
        "100ms",
        "--warm-up",
        "100ms",
    )
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
def test_a_kind_without_a_price_is_refused_before_a_trial(cluster: Any, tmp_path: Path) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text("nvidia-h200: 4.2\n")
    done = run(cluster, tmp_path, "--per-hardware", "--prices", str(prices))

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"--prices: {prices} has no price for '" in done.stderr
    assert not (tmp_path / "results").exists() or not list((tmp_path / "results").iterdir())


def test_a_mixed_pool_is_refused_with_the_option_that_splits_it() -> None:
    gpus = (Gpu("NVIDIA L4", "550", 23034),)
    small, large = DEVICE, replace(DEVICE, gpus=gpus)
    nodes = [Node(name, name, 1) for name in ("a", "b", "c")]
    found = [
        Inspection(node.id, node.host, Facts(each)) for node, each in zip(nodes, (large, small, small), strict=True)
    ]
    kinds = kinds_of(nodes, found)
    assert [(kind.name, kind.hosts) for kind in kinds] == [("emulated-1-core", ("b", "c")), ("nvidia-l4", ("a",))]
    with pytest.raises(
        UsageError, match=r"^--executor: ray, .* \(GPU: none on b, NVIDIA L4 .* on a\); add --per-hardware"
    ):
        only_kind(kinds)
    assert only_kind(kinds[:1]) is kinds[0]


def test_kinds_that_differ_in_a_driver_alone_have_different_names() -> None:
    old, new = (replace(DEVICE, gpus=(Gpu("NVIDIA L4", driver, 23034),) * 2) for driver in ("550", "560"))
    first, second = kind_names([old, new])
    assert first != second
    assert first.startswith("2x-nvidia-l4-")
    assert kind_names([replace(DEVICE, cpu_model="AMD EPYC 7763 64-Core Processor", available_cores=8.0)]) == [
        "amd-epyc-7763-8-cores"
    ]
    assert kind_names([replace(DEVICE, cpu_model="Intel(R) Xeon(R) CPU @ 2.20GHz")]) == ["intel-xeon-1-core"]
