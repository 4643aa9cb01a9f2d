"""`autotune measure`, `export`, `studies` and `dashboard` as a person uses them, on the embedded Triton."""

import csv
import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from tiny_models import write_model

import autotune
from autotune.cli import main

MODELS = Path(__file__).parents[2] / "model_repository"
# Ctrl-C arrives while the third load is offered.
INTERRUPTED_AFTER_TWO = """
import os, signal, sys
from autotune.cli import main
from autotune.measurement import _sweep

offer, loads = _sweep.run_probe, []

def interrupted(*given, **options):
    if options["purpose"] == "load":
        loads.append(given)
    if len(loads) == 3:
        os.kill(os.getpid(), signal.SIGINT)
    return offer(*given, **options)

_sweep.run_probe = interrupted
sys.exit(main(sys.argv[1:]))
"""


def test_a_concurrency_sweep_shows_the_clients_and_the_servers_times(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--model-repository", str(MODELS), "--launch", "embedded", "--results", str(tmp_path))
    flags = ("--model", "accelerator", "--concurrency", "1:9:8", "--duration", "600ms", "--p99", "200ms", "--json")
    assert main(["measure", *where, *flags]) == 0
    one, nine = json.loads(capsys.readouterr().out)["probes"]
    assert (one["schedule"]["concurrency"], nine["schedule"]["concurrency"]) == (1, 9)
    # Host 0.5 ms, device 2 ms and 0.1 ms an item: one request at a time takes 2.6 ms and a little for the way.
    assert one["latency_s"]["p50"] > 0.0026
    # Little's law: never more than one is outstanding, and hardly ever none.
    assert 0.5 < one["latency_s"]["avg"] * one["achieved_per_s"] < 1.1
    assert one["server"]["batch_executions"].keys() == {"1"}
    # Batches of up to 8 carry more than batches of one can.
    assert nine["achieved_per_s"] > 2 * one["achieved_per_s"]
    assert max(int(size) for size in nine["server"]["batch_executions"]) > 1
    assert one["holds"]
    assert not one["errors"]


def test_rates_over_grpc_print_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ("--model-repository", str(MODELS), "--launch", "embedded", "--results", str(tmp_path))
    flags = ("--model", "accelerator", "--rate", "50:100:50", "--duration", "500ms", "--protocol", "grpc")
    assert main(["measure", *where, *flags]) == 0
    out = capsys.readouterr().out
    parts = "send +network +queue +input +infer +output +receive"
    assert re.search(rf"load +inferences/s +avg +p50 +p90 +p95 +p99 +{parts} +mean batch", out)
    assert len(re.findall(r"^rate [\d.]+/s +[\d.]+ ", out, re.MULTILINE)) == 2


def test_the_offline_scenario_sends_larger_and_larger_requests_through_shared_memory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--model-repository", str(MODELS), "--launch", "embedded", "--results", str(tmp_path))
    flags = ("--model", "accelerator", "--scenario", "offline", "--duration", "300ms", "--json")
    assert main(["measure", *where, *flags]) == 0
    shown = capsys.readouterr()
    probes = json.loads(shown.out)["probes"]
    assert [(probe["batch_size"], probe["schedule"]["concurrency"]) for probe in probes] == [
        (1, 1),
        (2, 1),
        (4, 1),
        (8, 1),
    ]
    # Each request is one execution of its size: the client of each size sent requests of that size.
    assert [list(probe["server"]["batch_executions"]) for probe in probes] == [["1"], ["2"], ["4"], ["8"]]
    # Device: 2 ms and 0.1 ms an item, so that a request of 8 takes 1.3 times as long as one of 1.
    assert probes[-1]["achieved_per_s"] > 4 * probes[0]["achieved_per_s"]
    assert "--scenario offline: batches of 16, 32, 64 are left out; max_batch_size is 8" in shown.err
    assert not any(probe["errors"] for probe in probes)


def test_a_perf_analyzer_command_is_measured_and_its_table_adds_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--model-repository", str(MODELS), "--launch", "embedded", "--results", str(tmp_path))
    line = "perf_analyzer -m accelerator -i grpc -b 2 --concurrency-range 1:5:4 -p 400 --percentile 95"
    assert main(["measure", *where, "--from-perf-analyzer", line, "--format", "csv"]) == 0
    shown = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(shown.out)))
    assert [(row["Batch"], row["Concurrency"]) for row in rows] == [("2", "1"), ("2", "5")]
    parts = list(rows[0])[3:10]
    assert (parts[0], parts[-1]) == ("Client Send (ms)", "Client Recv (ms)")
    for row in rows:
        assert sum(float(row[part]) for part in parts) == pytest.approx(float(row["avg latency (ms)"]), abs=0.01)
    # Host 0.5 ms, device 2 ms and 0.1 ms an item
    assert float(rows[0]["Server Compute Infer (ms)"]) > 2
    assert "--from-perf-analyzer: ignored, without a counterpart: --percentile 95" in shown.err


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of a small study through the Python interface."""
    results = tmp_path_factory.mktemp("results")
    found = autotune.tune(
        MODELS,
        "accelerator",
        p99="40ms",
        trials=2,
        launch="embedded",
        window="200ms",
        final_rounds=0,
        results=results,
    )
    assert found.best is not None
    assert found.config_path is not None
    return results


def test_studies_are_listed_and_shown(tuned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["studies", "list", "--results", str(tuned)]) == 0
    assert "accelerator-p99-40ms-embedded" in capsys.readouterr().out
    assert main(["studies", "show", "--results", str(tuned), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert len(shown["trials"]) == 2
    assert shown["best"]["config"]
    name = shown["study"]
    assert main(["studies", "diff", name, name, "--results", str(tuned)]) == 0
    assert "Differences: none." in capsys.readouterr().out
    assert main(["studies", "diff", name, "--results", str(tuned), "--other-results", str(tuned / "none")]) == 2
    assert "--results: there is no database" in capsys.readouterr().err


def test_any_trials_config_is_exported(tuned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--results", str(tuned), "--trial", "0", "--output", "-"]) == 0
    assert 'name: "accelerator"' in capsys.readouterr().out
    assert main(["export", "--results", str(tuned), "--output", str(tmp_path)]) == 0
    assert 'name: "accelerator"' in (tmp_path / "config.pbtxt").read_text()
    assert main(["export", "--results", str(tuned), "--trial", "7"]) == 2
    assert "has no finished trial 7; it has 0, 1" in capsys.readouterr().err


def test_the_dashboard_serves_the_study_with_its_feasible_trials(tuned: Path) -> None:
    command = [sys.executable, "-m", "autotune", "dashboard", "--results", str(tuned), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            found = re.search(r"http://127\.0\.0\.1:\d+", process.stderr.readline())
            assert found is not None
            with urllib.request.urlopen(f"{found.group()}/api/studies", timeout=20) as answer:  # noqa: S310
                (study,) = json.load(answer)["study_summaries"]
            assert study["study_name"] == "accelerator-p99-40ms-embedded"
            with urllib.request.urlopen(f"{found.group()}/api/studies/{study['study_id']}", timeout=20) as answer:  # noqa: S310
                trials = json.load(answer)["trials"]
            assert len(trials) == 2
            assert all(max(trial["constraints"]) <= 0 for trial in trials)
            assert trials[0]["values"][0] > 0
            assert {param["name"] for param in trials[1]["params"]} >= {"log2_max_batch_size", "instance_count"}
        finally:
            os.kill(process.pid, signal.SIGINT)
            process.wait(timeout=20)


def test_an_interrupted_run_keeps_what_it_measured(tmp_path: Path) -> None:
    arguments = ["run", "--share-machine", "--model-repository", str(MODELS), "--model", "accelerator"]
    arguments += ["--p99", "40ms", "--launch", "embedded", "--results", str(tmp_path), "--window", "200ms"]
    command = [sys.executable, "-m", "autotune", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while not process.stderr.readline().startswith("trial   0"):
            assert process.poll() is None
        sent = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert time.monotonic() - sent < 5
    assert process.returncode == 130
    assert err.endswith(f"autotune: interrupted; to resume: autotune {' '.join(arguments)}\n")
    assert "Delivered: trial 0" in out
    assert (tmp_path / "accelerator-p99-40ms-embedded" / "best" / "accelerator" / "config.pbtxt").exists()
    assert list(tmp_path.glob("*/.staged-*")) == []


def test_the_exit_code_says_whether_the_config_meets_the_slo(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--model-repository", str(MODELS), "--launch", "embedded", "--results", str(tmp_path))
    flags = ("--model", "accelerator", "--duration", "200ms", "--concurrency", "1", "--json")
    assert main(["measure", *where, *flags, "--p99", "5s"]) == 0
    capsys.readouterr()
    # Host 0.5 ms, device 2 ms and 0.1 ms an item: no request is answered in 1 ms.
    code = main(["measure", *where, *flags, "--p99", "1ms"])
    (probe,) = json.loads(capsys.readouterr().out)["probes"]
    assert not probe["holds"]
    assert code == (1 if probe["invalid"] else 3)


def test_an_interrupted_sweep_prints_the_loads_it_finished(tmp_path: Path) -> None:
    command = [sys.executable, "-c", INTERRUPTED_AFTER_TWO, "measure", "--model-repository", str(MODELS)]
    command += ["--model", "accelerator", "--concurrency", "1:9:1", "--duration", "200ms", "--launch", "embedded"]
    ended = subprocess.run(
        [*command, "--results", str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 130
    assert ended.stderr.endswith("autotune: interrupted\n")
    assert re.findall(r"^concurrency \d", ended.stdout, re.MULTILINE)[:2] == ["concurrency 1", "concurrency 2"]
    assert "concurrency 3" not in ended.stdout
    assert "Interrupted: only finished windows are shown." in ended.stdout


@pytest.mark.parametrize("load", [("--concurrency", "1:2", "--duration", "200ms"), ("--p99", "50ms")])
def test_a_measurement_whose_every_request_failed_ends_with_1_and_tritons_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], load: tuple[str, ...]
) -> None:
    source = (
        "class TritonPythonModel:\n    def execute(self, requests):\n        raise RuntimeError('quota exceeded')\n"
    )
    config = 'backend: "python"\ninput { name: "x" data_type: TYPE_FP32 dims: [ 4 ] }\n'
    config += 'output { name: "y" data_type: TYPE_FP32 dims: [ 4 ] }\ninstance_group { kind: KIND_CPU }\n'
    write_model(tmp_path, "broken", config, source)
    where = ("--model-repository", str(tmp_path), "--launch", "embedded", "--results", str(tmp_path / "results"))
    assert main(["measure", *where, "--model", "broken", "--window", "100ms", *load]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.search(r"no request was answered \(\d+ http 500\): http 500: .*quota exceeded", printed.err)
    assert '{"error"' not in printed.err
    with sqlite3.connect(tmp_path / "results" / "autotune.db") as database:
        ((message,),) = database.execute("select message from autotune_trial").fetchall()
    assert "quota exceeded" in message
