"""A study in Optuna's own dashboard, over HTTP and in a real Chromium."""

from __future__ import annotations

import json
import shutil
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import make_server

import pytest
from documented_studies import MARKUP, outcome
from pretended_studies import plan, run

from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.report.dashboard import dashboard_application
from autotune.report.dashboard._serve import _QuietHandler
from autotune.store import Store, database_url

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from autotune.search import Trial, TrialWatch

ENDS = {3: OutcomeKind.LOAD_FAILED, 4: OutcomeKind.INFEASIBLE, 5: OutcomeKind.PRUNED}
TRIALS = 7
INFEASIBLE_PER_S = 300.0


class Executor:
    """Trials of `ENDS` end otherwise; the others meet the SLO, each at one inference/s more than the one before."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs

    def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
        log = self._logs / f"trial-{trial.number}.log"
        log.write_text(f"log of trial {trial.number}\n")
        kind = ENDS.get(trial.number, OutcomeKind.FEASIBLE)
        per_s = 1000.0 + trial.number if kind is OutcomeKind.FEASIBLE else INFEASIBLE_PER_S
        ended = outcome(per_s, kind=kind)
        if kind is OutcomeKind.LOAD_FAILED:
            ended = replace(ended, measurement=None, message=MARKUP)
        elif kind is OutcomeKind.PRUNED and ended.measurement is not None:
            beaten = {**ended.measurement.violations, "race": 0.1}
            ended = replace(ended, measurement=replace(ended.measurement, violations=beaten, beaten_by_per_s=990.0))
        return replace(ended, candidate=trial.candidate, configs=trial.configs.texts(), log_path=log)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study whose baseline is delivered, as no config is better by the least gain."""
    directory = tmp_path_factory.mktemp("tuned")
    with closing(Store.open(database_url(directory))) as store:
        run(plan(directory, trials=TRIALS, min_gain=0.02), store, Executor(directory))
    return directory


@pytest.fixture
def tuned(directory: Path, tmp_path: Path) -> Iterator[Store]:
    for file in directory.glob("autotune.db*"):  # with its write-ahead log
        shutil.copy(file, tmp_path)
    with closing(Store.open(database_url(tmp_path))) as store:
        yield store


@contextmanager
def served(store: Store, results: Path, *, read_only: bool = False) -> Iterator[str]:
    application = dashboard_application(store, results, read_only=read_only)
    with make_server("127.0.0.1", 0, application, handler_class=_QuietHandler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def url(tuned: Store, tmp_path: Path) -> Iterator[str]:
    with served(tuned, tmp_path) as url:
        yield url


def fetched(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310
        return answer.read()


def sent(url: str, method: str, content: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    body, kind = json.dumps(content).encode(), {"Content-Type": "application/json"}
    request = urllib.request.Request(url, body, kind, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            return answer.status, {}
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def study(url: str) -> dict[str, Any]:
    return json.loads(fetched(f"{url}/api/studies/1"))


def test_the_best_trial_is_the_delivered_one(url: str, tuned: Store) -> None:
    (best,) = study(url)["best_trials"]
    assert best["number"] == 0
    told = tuned.optuna_storage().get_best_trial(1)  # by value alone
    assert told.number == TRIALS - 1


def test_the_study_has_plots_of_the_report(url: str) -> None:
    shown = study(url)
    (plot,) = [each for each in shown["plotly_graph_objects"] if each["id"] == "throughput-latency"]
    figure = json.loads(plot["graph_object"])
    assert figure["layout"]["title"]["text"] == "Throughput against p99"
    delivered = [each for each in figure["data"] if "delivered" in each["name"]]
    assert len(delivered) == 1
    assert "$" not in plot["graph_object"]  # colours are those of the palette


def test_only_measured_values_are_shown(url: str, tuned: Store) -> None:
    trials = study(url)["trials"]
    assert [each["state"] for each in trials] == [
        {OutcomeKind.LOAD_FAILED: "Fail", OutcomeKind.PRUNED: "Pruned"}.get(ENDS.get(number), "Complete")
        for number in range(TRIALS)
    ]
    values = {each["number"]: each["values"] for each in trials if each["state"] == "Complete"}
    assert values.pop(4) == [INFEASIBLE_PER_S]
    assert max(trials[4]["constraints"]) > 0  # so that the dashboard greys it out
    assert values == {number: [1000.0 + number] for number in (0, 1, 2, 6)}


def test_what_samplers_learn_from_stays_as_it_was_told(url: str, tuned: Store) -> None:
    study(url)
    told = tuned.optuna_storage().get_all_trials(1)
    assert {each.state.name for each in told} == {"COMPLETE"}
    assert [each.value for each in told[3:6]] == [0.0, 0.0, 0.0]


def test_user_attributes_have_latency_batch_and_queue(url: str) -> None:
    attributes = {each["key"]: each["value"] for each in study(url)["trials"][1]["user_attrs"]}
    assert float(attributes["p99 (ms)"]) == pytest.approx(4.5)
    assert {"p50 (ms)", "p90 (ms)", "mean batch", "queue share (%)"} <= attributes.keys()
    assert 0 <= float(attributes["queue share (%)"]) <= 100


def test_trials_and_the_study_have_notes(url: str) -> None:
    shown = study(url)
    notes = [each["note"]["body"] for each in shown["trials"]]
    assert "Meets the SLO." in notes[1]
    assert "```diff" in notes[1]
    assert "+max_batch_size: " in notes[1]
    assert "| queue | " in notes[1]
    assert "This config is delivered." in notes[0]
    assert "```diff" not in notes[0]
    assert "<script>" not in notes[3]  # Triton's words, as text
    assert "pruned: below 990".capitalize() in notes[5]
    assert "No gain over the baseline" in shown["note"]["body"]


def test_a_note_that_a_person_saves_takes_the_place_of_ours(url: str) -> None:
    before = study(url)["trials"][1]
    version = before["note"]["version"] + 1
    saved = {"body": "mine", "version": version}
    assert sent(f"{url}/api/studies/1/{before['trial_id']}/note", "PUT", saved)[0] == 204
    after = study(url)["trials"]
    assert after[1]["note"] == saved
    assert "Meets the SLO." in after[2]["note"]["body"]


def test_configs_logs_and_the_report_are_artifacts(url: str) -> None:
    shown = study(url)
    trial = shown["trials"][3]
    files = {each["filename"]: each["artifact_id"] for each in trial["artifacts"]}
    assert files.keys() == {"config.pbtxt", "trial-3.log"}
    ours = f"{url}/artifacts/1/{trial['trial_id']}"
    assert fetched(f"{ours}/{files['config.pbtxt']}").startswith(b'name: "net"')
    assert fetched(f"{ours}/{files['trial-3.log']}") == b"log of trial 3\n"
    (report,) = shown["artifacts"]
    page = fetched(f"{url}/artifacts/1/{report['artifact_id']}").decode()
    assert page.startswith("<!doctype html>")
    assert "Throughput" in page


def test_a_log_that_was_deleted_is_no_artifact(url: str, directory: Path) -> None:
    (directory / "trial-6.log").unlink()
    assert [each["filename"] for each in study(url)["trials"][6]["artifacts"]] == ["config.pbtxt"]


def test_a_trial_that_ends_while_the_dashboard_runs_is_shown(store: Store, tmp_path: Path) -> None:
    run(plan(tmp_path, trials=1), store, Executor(tmp_path))
    with served(store, tmp_path) as url:
        assert len(study(url)["trials"]) == 1
        run(plan(tmp_path, trials=2), store, Executor(tmp_path))
        while not (news := json.loads(fetched(f"{url}/api/studies/1?after=1"))["trials"]):
            time.sleep(0.2)  # Optuna's dashboard keeps what it read for two seconds
        assert [each["state"] for each in news] == ["Complete"]
        assert "Meets the SLO." in news[0]["note"]["body"]


@pytest.mark.parametrize(
    ("path", "method", "content"),
    [
        ("/api/studies/1", "DELETE", {}),
        ("/api/studies", "POST", {"study_name": "new", "directions": ["maximize"]}),
        ("/api/studies/1/note", "PUT", {"body": "mine", "version": 2}),
        ("/api/studies/1/1/note", "PUT", {"body": "mine", "version": 2}),
        ("/api/artifacts/1", "POST", {"file": "data:text/plain;base64,aGk=", "filename": "hi.txt"}),
        ("/api/trials/1/user-attrs", "POST", {"user_attrs": {"label": "mine"}}),
    ],
)
def test_read_only_lets_nothing_be_changed(
    tuned: Store, tmp_path: Path, path: str, method: str, content: dict[str, Any]
) -> None:
    with served(tuned, tmp_path, read_only=True) as url:
        before = study(url)
        status, answer = sent(url + path, method, content)
        assert (status, answer["reason"]) == (403, "The dashboard runs with --read-only: nothing can be changed.")
        assert study(url) == before
        assert len(json.loads(fetched(f"{url}/api/studies"))["study_summaries"]) == 1


def test_a_study_keeps_its_name_by_which_it_is_resumed(url: str) -> None:
    status, answer = sent(f"{url}/api/studies/1/rename", "POST", {"study_name": "other"})
    assert (status, answer["reason"]) == (403, "A study cannot be renamed: 'autotune run' resumes it by its name.")
    assert study(url)["name"] == "study"


def test_an_uploaded_artifact_is_kept_beside_ours_until_the_study_is_deleted(url: str, tmp_path: Path) -> None:
    upload = {"file": "data:text/plain;base64,aGk=", "filename": "hi.txt"}
    assert sent(f"{url}/api/artifacts/1", "POST", upload)[0] == 201
    files = {each["filename"]: each["artifact_id"] for each in study(url)["artifacts"]}
    assert fetched(f"{url}/artifacts/1/{files['hi.txt']}") == b"hi"
    assert "report.html" in files
    assert sent(f"{url}/api/studies/1", "DELETE", {})[0] == 204
    assert list((tmp_path / "artifacts").iterdir()) == []


def test_in_a_browser_the_study_has_its_history_notes_and_artifacts(browser: Browser, url: str) -> None:
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    wrong: list[str] = []
    page.on("console", lambda message: message.type == "error" and wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{url}/dashboard/studies/1")
    page.wait_for_selector("text=Best Trial (number=0)")
    page.wait_for_selector("#plot-history .point", state="attached")
    assert page.locator("#plot-history .point").count() == 5  # neither the pruned trial nor the one that failed
    labels = page.locator("#plot-history .ytick text").all_text_contents()
    assert min(float(each.replace(",", "")) for each in labels) > 0  # nothing sits at 0
    page.wait_for_selector("text=report.html")
    page.wait_for_selector("text=Throughput against p99", state="attached")
    page.goto(f"{url}/dashboard/studies/1/trials?numbers=2")
    page.wait_for_selector("text=Meets the SLO.")
    page.wait_for_selector("text=config.pbtxt")
    page.wait_for_selector("text=trial-2.log")
    page.goto(f"{url}/dashboard/studies/1/note")
    page.wait_for_selector("text=No gain over the baseline")
    assert wrong == []
    page.context.close()
