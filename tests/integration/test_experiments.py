"""The experiments of `examples/` as a person runs them, in quick mode on the embedded Triton."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autotune.cli import main

ROOT = Path(__file__).parents[2]
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Builds an example's models in a copy, runs its experiment, and returns its JSON."""

    def start(folder: str, file: str = "experiment", variants: str = "") -> dict[str, Any]:
        example = tmp_path / "examples" / folder
        built = shutil.ignore_patterns("model.onnx", "images")
        shutil.copytree(ROOT / "examples" / folder, example, ignore=built)
        for version in example.glob("models/*/1"):
            if not any(version.iterdir()):  # a clone of the repository does not have it
                version.rmdir()
        (tmp_path / "model_repository").symlink_to(ROOT / "model_repository")
        if (example / "build.py").exists():
            subprocess.run([sys.executable, example / "build.py"], check=True)
        chosen = ("--variants", variants) if variants else ()
        flags = ("--quick", "--launch", "embedded", "--json", "-q", "--results", str(tmp_path / "results"), *chosen)
        assert main(["experiment", str(example / f"{file}.yaml"), *flags]) == 0
        shown: dict[str, Any] = json.loads(capsys.readouterr().out)
        for each in shown["entrants"].values():
            assert each["failed"] is None
            for probe in each["rounds"]["1"].values():
                assert probe["errors"] == {}
        return shown

    return start


def _rate(shown: dict[str, Any], name: str, load: str) -> float:
    return float(shown["entrants"][name]["rounds"]["1"][load]["achieved_per_s"])


def _files(tmp_path: Path, name: str) -> tuple[str, list[list[str]], set[str]]:
    """The report's text, the rows of its data, and the names of its plots."""
    directory = tmp_path / "results" / "experiments" / name
    report = (directory / "report.md").read_text()
    plots = {path.stem for path in (directory / "report_plots").glob("*.png")}
    assert all(f"report_plots/{plot}.png" in report for plot in plots)
    return report, list(csv.reader((directory / "results.csv").open())), plots


def test_a_config_of_the_mnist_report_is_served_as_its_variant_says(run: Run, tmp_path: Path) -> None:
    shown = run("mnist_report", variants="two_instances")
    config = shown["entrants"]["two_instances"]["configs"]["mnist"]
    assert "max_queue_delay_microseconds: 1000" in config
    assert "count: 2" in config
    report, rows, plots = _files(tmp_path, "mnist_report")
    assert plots == {"throughput", "latency"}
    assert len(rows) == 2
    for part in ("## Machine and environment", "| vCPU |", "model.onnx  (24.6 kB)", "count: 2"):
        assert part in report


def test_a_queue_delay_slows_a_single_iris_client_down(run: Run) -> None:
    """At concurrency 1 no batch fills, so that each request waits for the whole delay of 2 ms."""
    shown = run("iris_ensemble", variants="plain,delay_2000us")
    assert _rate(shown, "plain", "concurrency 1") > _rate(shown, "delay_2000us", "concurrency 1")
    slow = shown["entrants"]["delay_2000us"]["rounds"]["1"]["concurrency 1"]
    assert slow["latency_s"]["p50"] > 0.002
    assert shown["verdict"] == ["One round has no interval, so nothing is compared."]


def test_the_bls_model_is_asked_over_http_and_grpc(run: Run, tmp_path: Path) -> None:
    shown = run("bls_over_grpc", variants="bls")
    for name in ("bls (http)", "bls (grpc)"):
        assert _rate(shown, name, "concurrency 257") > 1.5 * _rate(shown, name, "concurrency 1")
    _, rows, plots = _files(tmp_path, "bls_over_grpc")
    assert rows[0][:5] == ["Variant", "Client", "Round", "Batch", "Concurrency"]
    assert {tuple(row[:2]) for row in rows[1:]} == {("bls", "http"), ("bls", "grpc")}
    assert "throughput_vs_concurrency" in plots


def test_more_preprocessing_instances_move_the_bottleneck_of_the_image_pipeline(run: Run) -> None:
    """One instance that waits 12 ms an image completes at most 83/s, four 333/s; the network needs over 5 ms of CPU."""
    shown = run("image_pipeline", variants="one,four")
    assert _rate(shown, "one", "concurrency 16") < 84
    one, four = shown["bottlenecks"]
    assert one.startswith("Bottleneck of one at concurrency 16: preprocess: ")
    assert "one instance busy" in one
    assert four.startswith("Bottleneck of four at concurrency 16: network: ")


def test_the_offline_scenario_has_the_three_plots_of_the_report(run: Run, tmp_path: Path) -> None:
    shown = run("offline_online", "offline")
    assert _rate(shown, "convnet", "batch 64, concurrency 1") > 2 * _rate(shown, "convnet", "concurrency 1")
    report, rows, plots = _files(tmp_path, "offline")
    assert plots == {"throughput_vs_batch", "throughput_vs_latency", "latency_vs_batch"}
    assert [row[2] for row in rows[1:]] == ["1", "64"]
    assert "| Variant | Batch | Concurrency | Inferences/Second | Client Send (ms) |" in report


def test_the_online_scenario_has_two_plots(run: Run, tmp_path: Path) -> None:
    run("offline_online", "online")
    _, rows, plots = _files(tmp_path, "online")
    assert plots == {"latency_vs_concurrency", "throughput_vs_concurrency"}
    assert [row[3] for row in rows[1:]] == ["8", "256"]
