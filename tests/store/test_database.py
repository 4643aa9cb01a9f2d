import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text as sql
from stored_trials import HERE, OBJECTIVE, begin, connected, outcome, probe

from autotune.errors import AutotuneError, UsageError
from autotune.load import ClosedLoop, ConstantRate
from autotune.objective import Ceiling, Objective
from autotune.outcome import OutcomeKind
from autotune.prediction import Agreement, Coverage, Explanation, ParameterEffect
from autotune.repository import Difference
from autotune.space import Candidate
from autotune.store import Store, database_url


def test_a_trial_comes_back_as_it_was(store, url):
    study, _ = begin(store)
    saved = store.save_trial(study, 3, "proposed", outcome())
    (read,) = Store.open_existing(url).trials(study)
    assert read == saved
    assert read.outcome == outcome()
    assert (read.number, read.label, read.role, read.model) == (3, "proposed", "trial", "mnist")
    assert read.environment == HERE
    first, second, third = read.outcome.measurement.probes
    assert first.schedule == ClosedLoop(4)
    assert second.schedule.seed == 2**63 + 1
    assert second.histogram[-1] == (float("inf"), 3)
    assert second.server.batch_executions == {1: 3, 6: 327, 11: 3}
    assert third.schedule == ConstantRate(2000.0)
    assert read.outcome.measurement.decided_by is second


def test_what_was_served_otherwise_than_asked_comes_back(store):
    study, _ = begin(store)
    differences = (
        Difference("mnist", "max_batch_size", 2, 16),
        Difference("mnist", "dynamic_batching", None, {"preferred_batch_size": (16,)}),
    )
    values = Candidate((("max_batch_size", 16),))
    changed = replace(outcome(), differences=differences, served_digest="abc", served_values=values)
    store.save_trial(study, 3, "proposed", changed)
    (read,) = store.trials(study)
    assert read.outcome == changed
    assert read.outcome.values == values


def test_a_failed_trial_keeps_the_servers_words_and_has_no_measurement(store):
    study, _ = begin(store)
    failed = outcome(
        OutcomeKind.LOAD_FAILED, measurement=None, candidate=None, message="unexpected 'foo'", log_path=None
    )
    store.save_trial(study, 0, "baseline", failed)
    (read,) = store.trials(study)
    assert read.outcome == failed
    assert read.probes == ()


def test_interrupted_trials_are_kept_but_only_shown_on_request(store):
    study, _ = begin(store)
    store.save_trial(study, 0, "proposed", outcome())
    store.save_trial(study, 1, "proposed", outcome(OutcomeKind.INTERRUPTED))
    assert [trial.number for trial in store.trials(study)] == [0]
    assert [trial.number for trial in store.trials(study, interrupted=True)] == [0, 1]


def test_reading_only_the_windows_that_decided_changes_nothing_else(store):
    study, _ = begin(store)
    store.save_trial(study, 0, "proposed", outcome())
    store.save_trial(study, 1, "proposed", outcome(OutcomeKind.LOAD_FAILED, measurement=None))
    (whole, failed), (light, failed_too) = store.trials(study), store.trials(study, windows="deciding")
    assert failed_too == failed
    decided = replace(whole.outcome.measurement.decided_by, histogram=())
    assert light.probes == (decided,)
    assert light.outcome.measurement == replace(whole.outcome.measurement, probes=(decided,), decided_by=decided)
    assert store.with_windows([light, failed_too]) == [whole, failed]


def test_windows_are_counted_by_purpose(store):
    study, _ = begin(store)
    store.save_trial(study, 0, "proposed", outcome())
    store.save_run(model="mnist", label="proposed", outcome=outcome(), environment=HERE, role="final", study=study)
    begin(store, "other")
    warm_up, locate = store.window_counts(study)
    assert (warm_up.purpose, warm_up.windows, warm_up.disturbed) == ("warm-up", 2, 0)
    assert (locate.purpose, locate.windows, locate.disturbed, locate.requests) == ("locate", 4, 2, 8004)
    assert locate.seconds == 8.0


def test_a_trial_saved_again_replaces_the_first(store, url):
    study, _ = begin(store)
    store.save_trial(study, 0, "proposed", outcome())
    store.save_trial(study, 0, "proposed", outcome(message="again"))
    (read,) = store.trials(study)
    assert read.outcome.message == "again"
    with connected(url) as raw:
        for table, rows in {"trial": 1, "measurement": 1, "probe": 3, "server_statistics": 3}.items():
            assert raw.exec_driver_sql(f"SELECT count(*) FROM autotune_{table}").fetchone() == (rows,), table  # noqa: S608


def test_measurements_without_a_study_are_kept(store, url):
    lone = outcome(measurement=None)
    store.save_run(model="iris", label="sweep", outcome=lone, environment=HERE, probes=(probe(ClosedLoop(8)),))
    study, _ = begin(store)
    store.save_run(model="mnist", label="best again", outcome=outcome(), environment=HERE, role="confirm", study=study)
    reader = Store.open_existing(url)
    (run,) = reader.runs()
    assert (run.role, run.model, run.number, run.outcome) == ("measure", "iris", None, lone)
    assert run.probes == (probe(ClosedLoop(8)),)
    (confirmation,) = reader.runs(study)
    assert (confirmation.role, confirmation.outcome) == ("confirm", outcome())
    assert reader.trials(study) == []


def test_probes_of_a_study_are_a_table(store):
    study, _ = begin(store)
    other, _ = begin(store, "other")
    store.save_trial(study, 0, "baseline", outcome())
    store.save_trial(other, 0, "baseline", outcome())
    frame = store.probes(study.name)
    assert list(frame["schedule"]) == ["ClosedLoop", "PoissonRate", "ConstantRate"]
    assert list(frame["p99_s"]) == [float("inf")] * 3
    assert frame["server_mean_batch_size"][0] == pytest.approx(6.0)
    assert frame["server_queue_us"][0] == pytest.approx(250.0)
    assert frame["failed"][0] == 3
    assert list(store.probes(begin(store, "empty")[0].name).columns) == list(frame.columns)


def test_a_study_is_resumed_under_its_name(store, url):
    study, notes = begin(store)
    assert notes == ()
    store.save_trial(study, 0, "baseline", outcome())
    again, notes = begin(Store.open(url))
    assert again == study
    assert notes == ()
    assert [each.name for each in store.studies()] == ["s"]
    assert store.study("s") == study
    assert store.study("t") is None
    assert study.objective == OBJECTIVE
    assert study.space_text == "max_batch_size: [1, 8]\n"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "iris"}, "its model is 'mnist', not 'iris'"),
        ({"objective": Objective("throughput", (Ceiling("p99", 0.01),))}, "highest throughput with p99 <= 10ms"),
        ({"space_digest": "d2"}, "its search space has changed"),
        ({"base_config": "max_batch_size: 2"}, "config.pbtxt has changed"),
        ({"environment": replace(HERE, model_digest="def")}, "the model's files have changed"),
    ],
)
def test_a_study_that_looks_for_something_else_is_not_resumed(store, changes, words):
    begin(store)
    with pytest.raises(UsageError, match="--study: study 's' cannot be resumed") as error:
        begin(store, **changes)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_another_environment_is_noted_on_resume_and_its_trials_are_filed_under_it(store):
    begin(store)
    elsewhere = replace(HERE, available_cores=4.0)
    study, notes = begin(store, environment=elsewhere)
    assert notes == ("CPU cores available: 1.5 before, 4 now",)
    assert study.environment == HERE
    assert store.save_trial(study, 0, "proposed", outcome()).environment == elsewhere


def test_fields_added_later_do_not_break_old_rows(store, url):
    study, _ = begin(store)
    store.save_trial(study, 0, "proposed", outcome())
    with connected(url) as raw:
        for row, body in raw.exec_driver_sql("SELECT id, body FROM autotune_probe").fetchall():
            fields = json.loads(body) if isinstance(body, str) else body
            for unknown_then in ("kept_up", "error_example", "errors", "lateness_p99_s"):
                del fields[unknown_then]
            fields["unknown_now"] = [1, 2]
            update = sql("UPDATE autotune_probe SET body = :body WHERE id = :row")
            raw.execute(update, {"body": json.dumps(fields), "row": row})
    (read,) = store.trials(study)
    assert read.probes[1].kept_up is False
    assert read.probes[1].error_example == ""
    assert read.probes[1].errors == {}
    assert read.probes[1].lateness_p99_s != read.probes[1].lateness_p99_s
    assert read.probes[1].requests == 2001


EXPLANATION = Explanation(
    coverage=Coverage(508, 6, 500, 2),
    winner=5,
    effects=(
        ParameterEffect("max_batch_size", 64, 8, predicted=1.9, measured=1.8, at_least=True, trial=4),
        ParameterEffect("dynamic_batching", True, False, predicted=float("inf")),
    ),
    against="baseline",
    without_effect=("preferred_batch_size",),
    min_gain=0.02,
    agreement=Agreement(5, None, 0.12),
)


@pytest.mark.sqlite
def test_a_study_has_the_explanation_of_its_last_run(store, url):
    study, _ = begin(store)
    assert study.explanation is None
    store.save_explanation(study, replace(EXPLANATION, winner=1))
    store.save_explanation(study, EXPLANATION)
    assert Store.open_existing(url).study("s") == replace(study, explanation=EXPLANATION)
    with connected(url) as raw:
        covered = raw.exec_driver_sql(
            "SELECT json_extract(explanation, '$.coverage.tried') FROM autotune_study"
        ).fetchone()
    assert covered == (6,)
    begin(store, "other")
    assert store.study("other").explanation is None


def test_a_study_knows_where_its_last_run_found_the_models(store):
    begin(store, repository="/old/models")
    begin(store)
    assert store.study("s").repository == "/old/models"
    begin(store, repository="/new/models")
    assert store.study("s").repository == "/new/models"


def _as_version_5_left_it(url: str) -> None:
    with connected(url) as raw:
        raw.exec_driver_sql("ALTER TABLE autotune_study DROP COLUMN repository")
        raw.exec_driver_sql("UPDATE autotune_schema SET version = 5")


def _as_version_4_left_it(url: str) -> None:
    """A trial served one config."""
    _as_version_5_left_it(url)
    with connected(url) as raw:
        raw.exec_driver_sql("ALTER TABLE autotune_trial ADD COLUMN config_text TEXT")
        raw.exec_driver_sql(
            "UPDATE autotune_trial SET config_text ="
            " (SELECT text FROM autotune_trial_config WHERE trial_id = autotune_trial.id)"
        )
        raw.exec_driver_sql("DROP TABLE autotune_trial_config")
        raw.exec_driver_sql("ALTER TABLE autotune_study DROP COLUMN files")
        raw.exec_driver_sql("UPDATE autotune_schema SET version = 4")


def _as_version_3_left_it(url: str) -> None:
    """Runs were known by the config they served; SQLite drops no column that refers to another table."""
    _as_version_4_left_it(url)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as raw:
        raw.execute("PRAGMA legacy_alter_table = ON")  # tables that refer to this one keep its name
        (made,) = raw.execute("SELECT sql FROM sqlite_master WHERE name = 'autotune_trial'").fetchone()
        lines = [line for line in made.splitlines() if "trial_id" not in line and "round INTEGER" not in line]
        raw.execute("DROP INDEX ix_autotune_trial_trial_id")
        raw.execute("ALTER TABLE autotune_trial RENAME TO newer")
        raw.execute("\n".join(lines))
        columns = ", ".join(row[1] for row in raw.execute("PRAGMA table_info(autotune_trial)"))
        raw.execute(f"INSERT INTO autotune_trial ({columns}) SELECT {columns} FROM newer")  # noqa: S608
        raw.execute("DROP TABLE newer")
        raw.execute("UPDATE autotune_schema SET version = 3")


def _as_version_2_left_it(url: str) -> None:
    _as_version_3_left_it(url)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as raw:
        raw.execute("ALTER TABLE autotune_study DROP COLUMN explanation")
        raw.execute("UPDATE autotune_schema SET version = 2")


def _as_version_1_left_it(url: str) -> None:
    _as_version_2_left_it(url)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as raw:
        raw.execute("ALTER TABLE autotune_probe DROP COLUMN verdict")
        raw.execute("ALTER TABLE autotune_measurement DROP COLUMN confidence")
        raw.execute("ALTER TABLE autotune_measurement DROP COLUMN located_per_s")
        raw.execute("UPDATE autotune_schema SET version = 1")


@pytest.mark.parametrize(
    ("left_by", "verdict"),
    [
        pytest.param(_as_version_1_left_it, "fails", marks=pytest.mark.sqlite),
        pytest.param(_as_version_2_left_it, "invalid", marks=pytest.mark.sqlite),
        pytest.param(_as_version_3_left_it, "invalid", marks=pytest.mark.sqlite),
        (_as_version_4_left_it, "invalid"),
        (_as_version_5_left_it, "invalid"),
    ],
)
@pytest.mark.parametrize("opened_by", [Store.open, Store.open_existing])
def test_database_of_an_older_version_is_upgraded_and_loses_nothing(store, url, opened_by, left_by, verdict):
    study, _ = begin(store)
    store.save_trial(study, 0, "proposed", outcome())
    store.close()
    left_by(url)
    with closing(opened_by(url)) as again:
        (read,) = again.trials(study)
        assert read.outcome == outcome()
        assert list(again.probes("s")["verdict"]) == ["holds", "holds", verdict]
        assert again.study("s") == study
        again.save_explanation(study, EXPLANATION)
        assert again.study("s").explanation == EXPLANATION
    with closing(opened_by(url)) as again:
        assert len(again.trials(study)) == 1


@pytest.mark.sqlite
def test_rounds_of_an_older_version_are_linked_to_their_trials_by_what_they_served(store, url):
    study, _ = begin(store)

    def served(text, kind=OutcomeKind.FEASIBLE):
        return replace(outcome(), configs={"mnist": text}, kind=kind)

    def again(role, text, **changes):
        run = served(text, **changes)
        store.save_run(model="m", label=role, outcome=run, environment=HERE, role=role, study=study)

    store.save_trial(study, 0, "your config", served("a"))
    again("final", "a")  # of a comparison before the study was resumed
    store.save_trial(study, 1, "proposed", served("b"))
    for text in ("b", "a"):
        again("final", text)
    again("final", "a", kind=OutcomeKind.INTERRUPTED)
    again("doubted", "b")
    for text in ("a", "b"):
        again("final", text)
    again("certificate", "b")
    store.close()
    _as_version_3_left_it(url)
    with closing(Store.open(url)) as upgraded:
        own, other = upgraded.trials(study)
        assert own.label == "baseline"
        rounds = [(run.trial_id, run.round) for run in upgraded.runs(study) if run.role == "final"]
        assert [each for each in rounds if each[0] == other.id] == [(other.id, 1), (other.id, 2)]
        assert [each for each in rounds if each[0] == own.id and each[1]] == [
            (own.id, 1), (own.id, 1), (own.id, 1), (own.id, 2)
        ]  # fmt: skip
        (certificate,) = (run for run in upgraded.runs(study) if run.role == "certificate")
        assert certificate.trial_id == other.id


def test_reading_creates_no_database(tmp_path):
    with pytest.raises(UsageError, match=r"--results: there is no database .*; 'autotune run' creates one"):
        Store.open_existing(database_url(tmp_path / "results"), flag="--results")
    assert list(tmp_path.iterdir()) == []


def test_an_optuna_database_without_our_tables_holds_no_results(tmp_path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE studies (id INTEGER)")
    with pytest.raises(UsageError, match="holds no results of autotune"):
        Store.open_existing(f"sqlite:///{path}")
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT name FROM sqlite_master").fetchall() == [("studies",)]


@pytest.mark.parametrize(
    ("make_url", "words"),
    [
        (
            lambda tmp: f"sqlite:///{tmp}/file/autotune.db",
            ".*file/autotune.db: .*is not a directory",
        ),
        (lambda tmp: f"sqlite:///{tmp}/folder", "cannot open the database .*folder: .*folder is no regular file"),
        (lambda tmp: "sqlite:////proc/none/autotune.db", "cannot open the database /proc/none/autotune.db"),
        (lambda tmp: f"sqlite:///{tmp}/file", "is not a SQLite database"),
        (lambda tmp: f"{tmp}/autotune.db", "is not a database URL"),
        (lambda tmp: "oracel://host/db", "unknown kind of database 'oracel'"),
        (lambda tmp: "postgresql+pg8000://host/db", "needs the Python package pg8000"),
    ],
)
def test_what_cannot_be_opened_is_a_usage_error_of_one_line(tmp_path, make_url, words):
    (tmp_path / "file").write_text("no database, but long enough to be read as one " * 20)
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match=f"^--results: .*{words}") as error:
        Store.open(make_url(tmp_path), flag="--results")
    assert "\n" not in str(error.value)


def test_a_results_directory_may_have_any_name(tmp_path):
    results = tmp_path / "what 100%20 #1"
    store = Store.open(database_url(results))
    begin(store)
    store.optuna_storage()
    assert (results / "autotune.db").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [results.name]


def test_a_password_is_never_shown():
    with pytest.raises(UsageError) as error:
        Store.open("postgresql+pg8000://me:secret@host/db")
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("opening", [Store.open, Store.open_existing])
def test_a_database_of_a_newer_version_is_left_alone(store, url, opening):
    with connected(url) as raw:
        raw.exec_driver_sql("UPDATE autotune_schema SET version = 99")
    with pytest.raises(UsageError, match="written by a newer autotune"):
        opening(url)


READER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0)
print(connection.execute("SELECT count(*) FROM autotune_probe").fetchone()[0])
"""


@pytest.mark.sqlite
def test_a_dashboards_connection_reads_while_a_transaction_is_open(store, url):
    study, _ = begin(store)
    store.save_trial(study, 0, "proposed", outcome())
    path = url.removeprefix("sqlite:///")
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("DELETE FROM autotune_probe")
    command = [sys.executable, "-c", READER, path]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "3"
    assert len(store.trials(study)[0].probes) == 3
    writer.execute("ROLLBACK")
    writer.close()


KILLED_WRITER = """
import sys, time
sys.path.insert(0, sys.argv[2])
from stored_trials import *
from autotune.store import Store
from autotune.store import _store
store = Store.open(sys.argv[1])
study, _ = begin(store)
store.save_trial(study, 0, "proposed", outcome())
fill = _store.fill_trial
def fill_and_hang(*arguments):
    fill(*arguments)
    _store.Session.object_session(arguments[0]).flush()
    print("in transaction", flush=True)
    time.sleep(60)
_store.fill_trial = fill_and_hang
store.save_trial(study, 1, "proposed", outcome())
"""


def test_a_writer_killed_in_a_transaction_loses_only_that(url):
    command = [sys.executable, "-c", KILLED_WRITER, url, str(Path(__file__).parents[1] / "fakes")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline().strip() == "in transaction"
        os.kill(writer.pid, signal.SIGKILL)
    store = Store.open(url)
    study, _ = begin(store)
    assert [(trial.number, trial.outcome) for trial in store.trials(study)] == [(0, outcome())]
    store.save_trial(study, 1, "proposed", outcome())
    assert [trial.number for trial in store.trials(study)] == [0, 1]


WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
from stored_trials import *
from autotune.store import Store
import optuna
store = Store.open(sys.argv[1])
study, _ = begin(store, sys.argv[3])
optuna.logging.set_verbosity(optuna.logging.ERROR)
trials = optuna.create_study(study_name=sys.argv[3], storage=store.optuna_storage())
for _ in range(10):
    trial = trials.ask({"x": optuna.distributions.IntDistribution(0, 99)})
    store.save_trial(study, trial.number, "proposed", outcome())
    trials.tell(trial, 1.0)
"""


def test_two_studies_share_a_new_database_at_the_same_time(url):
    command = [sys.executable, "-c", WRITER, url, str(Path(__file__).parents[1] / "fakes")]
    writers = [subprocess.Popen([*command, name], stderr=subprocess.PIPE, text=True) for name in ("a", "b")]
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert writer.returncode == 0, errors
    store = Store.open_existing(url)
    for name in ("a", "b"):
        study = store.study(name)
        assert study is not None
        assert [trial.number for trial in store.trials(study)] == list(range(10))


@pytest.mark.sqlite
def test_a_writer_that_waits_too_long_says_so(store, url, monkeypatch):
    monkeypatch.setattr("autotune.store._engine.BUSY_TIMEOUT_S", 0.1)
    impatient = Store.open(url)
    other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(AutotuneError, match=r"the database .*autotune\.db failed: database is locked"):
        begin(impatient)
    other.close()
