"""The main job through the command line, on the embedded Triton."""

import json
import sqlite3
from pathlib import Path

import pytest

from autotune.cli import main
from autotune.measurement import Deployment
from autotune.repository import ConfigSet, ModelConfig, ModelRepository
from autotune.server import LaunchOptions, choose_launcher

MODELS = Path(__file__).parents[2] / "model_repository"


def _run(results: Path, *flags: str) -> int:
    where = ("--model-repository", str(MODELS), "--launch", "embedded", "--results", str(results))
    return main(["run", *where, "--window", "200ms", "--final-rounds", "0", "--json", *flags])


def test_tunes_exports_stores_and_resumes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--model", "iris", "--p99", "50ms", "--study", "first")
    assert _run(tmp_path, *flags, "--trials", "2") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["trials"][0]["label"] == "baseline"
    assert all(trial["startup_s"] > 0 for trial in result["trials"])
    assert result["best"]["rate_per_s"] > 0
    assert result["best"]["latency_s"]["p99"] <= 0.05

    exported = Path(result["config_path"])
    assert exported == tmp_path / "first" / "best" / "iris" / "config.pbtxt"
    text = exported.read_text()
    assert text.startswith("# iris: highest throughput with p99 <= 50ms")
    spec = ModelRepository(MODELS).model("iris")
    launcher, _ = choose_launcher("embedded", LaunchOptions())
    with Deployment(spec, launcher, tmp_path).serve(
        ConfigSet.of(ModelConfig.parse(text, str(exported))), tmp_path / "fresh.log"
    ) as served:
        served.server.check_alive()

    with sqlite3.connect(tmp_path / "autotune.db") as database:
        assert database.execute("select count(*) from autotune_trial").fetchone() == (2,)
        assert database.execute("select count(*) from trials").fetchone() == (2,)
        assert database.execute("select repository from autotune_study").fetchone() == (str(MODELS),)

    assert _run(tmp_path, *flags, "--trials", "3") == 0
    resumed = json.loads(capsys.readouterr().out)
    assert [trial["number"] for trial in resumed["trials"]] == [0, 1, 2]
    assert resumed["trials"][:2] == result["trials"]

    assert main(["report", "first", "--results", str(tmp_path), "--format", "json", "--output", "-"]) == 0
    sections = {each["name"]: each["blocks"] for each in json.loads(capsys.readouterr().out)["sections"]}
    assert {"verdict", "tradeoff", "loads", "batches", "resources", "trials", "machine", "measuring"} <= sections.keys()
    (table,) = sections["trials"]
    assert len(table["rows"]) == 3
    assert "model.onnx  (" in sections["repository"][0]["text"]
    assert main(["studies", "export", "first", "--results", str(tmp_path), "--format", "model-analyzer"]) == 0
    header, *windows = capsys.readouterr().out.splitlines()
    assert header.startswith("Model,Batch,Request Rate,Model Config Path")
    assert all(line.startswith("iris,1,") for line in windows)


def test_traffic_of_a_recording_is_searched_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = tmp_path / "traffic.txt"
    trace.write_text("\n".join(f"{second + request / 100}" for second in range(20) for request in range(20)))
    flags = ("--model", "iris", "--p99", "50ms", "--trials", "2", "--trace", str(trace))
    assert _run(tmp_path / "results", *flags) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["study"] == "iris-p99-50ms-of-traffic-txt-embedded"
    assert result["objective"]["arrivals"] == "of traffic.txt"
    with sqlite3.connect(tmp_path / "results" / "autotune.db") as database:
        schedules = {row[0] for row in database.execute("select distinct schedule from autotune_probe")}
    assert "SpacedRate" in schedules
    assert "PoissonRate" not in schedules


def test_exits_with_3_and_the_nearest_miss_if_no_config_meets_the_slo(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--model-repository", str(MODELS), "--launch", "embedded", "--results", str(tmp_path))
    assert main(["run", *where, "--model", "accelerator", "--p99", "1ms", "--trials", "2", "--window", "200ms"]) == 3
    out = capsys.readouterr().out
    assert "No config meets the SLO (highest throughput with p99 <= 1ms)" in out
    assert "Nearest: trial" in out
    assert not list(tmp_path.glob("*/best"))


def test_a_model_analyzer_file_is_tuned_in_its_own_space(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "ma.yaml"
    file.write_text(
        "model_repository: no/such/place\n"
        "triton_launch_mode: local\n"
        "profile_models:\n"
        "  accelerator:\n"
        "    parameters: {concurrency: {start: 1, stop: 16}}\n"
        "    constraints: {perf_latency_p99: {max: 60}}\n"
        "    perf_analyzer_flags: {input-data: zero, percentile: 95}\n"
        "    model_config_parameters:\n"
        "      max_batch_size: 16\n"
        "      dynamic_batching: {max_queue_delay_microseconds: [300, 600]}\n"
        "      instance_group: [{kind: KIND_CPU, count: 2}]\n"
    )
    results = tmp_path / "results"
    assert _run(results, "--from-model-analyzer", str(file), "--trials", "2") == 0
    shown = capsys.readouterr()
    result = json.loads(shown.out)
    assert (result["objective"]["load"], result["objective"]["ceilings"][0]["limit_s"]) == ("closed", 0.06)
    baseline, trial = result["trials"]
    assert trial["parameters"] == {
        "max_batch_size": 16,
        "dynamic_batching": True,
        "max_queue_delay_microseconds": trial["parameters"]["max_queue_delay_microseconds"],
        "instance_count": 2,
        "instance_kind": "KIND_CPU",
    }
    assert trial["parameters"]["max_queue_delay_microseconds"] in (300, 600)
    assert "max_batch_size: 16" in trial["config"]
    concurrencies = {probe["schedule"]["concurrency"] for probe in baseline["probes"]}
    assert max(concurrencies) <= 16
    assert "--from-model-analyzer: ignored, without a counterpart: perf_analyzer_flags: percentile: 95" in shown.err


def test_a_config_that_does_not_load_is_an_outcome_and_the_study_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = tmp_path / "space.yaml"
    space.write_text("parameters:\n  instance_count: [1, 2]\nfields:\n  parameters.execution_mode: 7\n")
    results = tmp_path / "results"
    assert _run(results, "--model", "iris", "--p99", "50ms", "--search-space", str(space), "--trials", "2") == 0
    trials = json.loads(capsys.readouterr().out)["trials"]
    assert [trial["outcome"] for trial in trials] == ["feasible", "failed to load"]
    assert "Expected values for execution_mode are 0 or 1 but got 7" in trials[1]["message"]
