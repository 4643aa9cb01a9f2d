"""A study in a real MLflow server, that of this environment or the one whose command TEST_MLFLOW names."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from documented_studies import infeasible_study, tuned_study

from autotune import api
from autotune.api._run import _log_run
from autotune.cli import main
from autotune.errors import UsageError
from autotune.report.tracking._mlflow import _study_metrics
from autotune.request import RunRequest
from autotune.store import Store, database_url

START_S = 180.0  # a busy machine takes long to import MLflow's server


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An MLflow server that this test starts; MLflow's SQLite store where only its client is installed."""
    mlflow = pytest.importorskip("mlflow", reason="MLflow's client is not installed: pip install mlflow-skinny")
    named = os.environ.get("TEST_MLFLOW")
    if not named and importlib.util.find_spec("flask") is None:
        folder = tmp_path_factory.mktemp("mlflow")
        uri = f"sqlite:///{folder}/mlflow.db"
        mlflow.MlflowClient(uri).create_experiment("autotune/mnist", artifact_location=str(folder / "artifacts"))
        yield uri
        return
    command = [named] if named else [sys.executable, "-m", "mlflow"]
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    stores = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder)]
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment = {**own, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        [*command, "server", *address, *stores],
        cwd=folder,
        env=environment,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _await(f"{url}/health", process, folder / "log")
        yield url
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)
        log.close()


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"the MLflow server did not start: {log.read_text()[-2000:]}")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    with closing(Store.open(database_url(tmp_path))) as store:
        tuned_study(store, name="mnist-p99", trials=7)
    return tmp_path


def client(uri: str) -> Any:
    return pytest.importorskip("mlflow").MlflowClient(tracking_uri=uri)


def logged(uri: str, study: str) -> tuple[Any, list[Any]]:
    """The run of a study and those of its trials, by number."""
    mlflow = client(uri)
    (experiment,) = [each for each in mlflow.search_experiments() if each.name == "autotune/mnist"]
    runs = mlflow.search_runs([experiment.experiment_id])
    (parent,) = [each for each in runs if each.info.run_name == study]
    nested = [each for each in runs if each.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    return parent, sorted(nested, key=lambda each: int(each.data.tags["autotune.trial"]))


def test_it_has_the_study_its_trials_and_artifacts(tracking: str, results: Path) -> None:
    api.log_study(tracking, results=results)
    parent, trials = logged(tracking, "mnist-p99")
    found = api.find_study(results=results)
    assert found.finals is not None
    assert found.finals.sustained is not None
    assert parent.info.status == "FINISHED"
    assert parent.data.params["objective"] == str(found.objective)
    assert parent.data.metrics["gain"] == pytest.approx(found.gain)
    assert parent.data.metrics["sustainable_rate_per_s"] == pytest.approx(found.finals.sustained.value)
    assert parent.data.metrics["certified_rate_per_s"] > 0
    assert [each.info.run_name for each in trials] == [f"trial {number}" for number in range(7)]
    assert [each.info.status for each in trials].count("FAILED") == 1
    assert trials[2].data.params["max_batch_size"] == "8"
    assert trials[2].data.metrics["p99_s"] == pytest.approx(0.0045)
    history = client(tracking).get_metric_history(parent.info.run_id, "trial_value")
    assert [each.step for each in history] == [0, 1, 2, 5, 6]  # those that met the SLO
    folder = results / "artifacts"
    folder.mkdir()
    best = client(tracking).download_artifacts(parent.info.run_id, "config/mnist/config.pbtxt", str(folder))
    assert found.best is not None
    assert Path(best).read_text() == found.best.outcome.configs["mnist"]
    page = Path(client(tracking).download_artifacts(parent.info.run_id, "report.html", str(folder))).read_text()
    assert page.startswith("<!")
    assert "mnist-p99" in page


def test_a_study_that_is_logged_again_keeps_its_runs(
    tracking: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uri, results = tracking, tmp_path
    with closing(Store.open(database_url(results))) as store:
        tuned_study(store, name="again", trials=7)
    api.log_study(uri, results=results)
    first, trials = logged(uri, "again")
    client(uri).set_tag(trials[3].info.run_id, "of", "a person")
    client(uri).update_run(trials[6].info.run_id, status="RUNNING")  # as if logging had ended half-way
    assert main(["report", "again", "--mlflow", uri, "--results", str(results)]) == 0
    assert "logged to experiment autotune/mnist\n" in capsys.readouterr().out
    second, again = logged(uri, "again")
    assert second.info.run_id == first.info.run_id
    assert [each.info.run_id for each in again[:6]] == [each.info.run_id for each in trials[:6]]
    assert again[3].data.tags["of"] == "a person"
    assert (again[6].info.status, len(again)) == ("FINISHED", 7)


def test_a_study_without_a_feasible_trial_is_a_failed_run(tracking: str, tmp_path: Path) -> None:
    with closing(Store.open(database_url(tmp_path))) as store:
        infeasible_study(store)
    api.log_study(tracking, results=tmp_path)
    parent, trials = logged(tracking, "none")
    assert (parent.info.status, len(trials)) == ("FAILED", 2)
    assert "gain" not in parent.data.metrics


def test_a_server_that_does_not_answer_is_named_before_anything_starts(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(
        UsageError, match=r"--mlflow: http://me:\*\*\*@127.0.0.1:\d+ does not answer: .*refused"
    ) as raised:
        api.tune(
            Path(__file__).parents[2] / "model_repository",
            "mnist",
            p99="5ms",
            mlflow=f"http://me:secret@127.0.0.1:{port}",
            results=tmp_path / "results",
        )
    assert "secret" not in str(raised.value)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("goal", "name"),
    [("throughput", "sustainable_rate_per_s"), ("goodput", "goodput_per_s"), ("latency", "latency_s")],
)
def test_the_result_is_named_by_its_goal(results: Path, goal: Any, name: str) -> None:
    found = api.find_study(results=results)
    rate = None if goal == "throughput" else 800.0
    limit_s = 0.005 if goal == "goodput" else None
    objective = replace(found.objective, goal=goal, rate_per_s=rate, goodput_s=limit_s)
    metrics = _study_metrics(replace(found, objective=objective))
    assert [key for key in metrics if key.endswith("_low")] == ["gain_low", f"{name}_low"]


def test_a_server_that_ended_meanwhile_does_not_lose_the_study(results: Path) -> None:
    pytest.importorskip("mlflow")
    notes: list[str] = []
    request = RunRequest(mlflow="http://127.0.0.1:9", results=results)
    _log_run(request, api.find_study(results=results), Mock(note=notes.append))
    (note,) = notes
    assert note.startswith("warning: the study was not logged (--mlflow: http://127.0.0.1:9: ")
    assert note.endswith(f"log it with: autotune report mnist-p99 --mlflow http://127.0.0.1:9 --results {results}")


def test_without_the_client_the_package_is_named(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(UsageError, match="--mlflow: needs the Python package mlflow-skinny"):
        api.log_study("http://127.0.0.1:9", results=results)


def test_a_file_and_a_server_are_not_both_written(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["report", "--mlflow", "http://127.0.0.1:9", "-o", "x.html", "--results", str(results)]
    assert main(given) == 2
    assert "--output: writes a file, --mlflow logs to a server; drop one of them" in capsys.readouterr().err
