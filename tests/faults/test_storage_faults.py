"""The database fails: before a study, in the middle of it, or while a study is read.

Trials are pretended; the databases and their faults are real. A fault in mid-study comes while a trial is measured, so
that its outcome is the first thing that cannot be stored.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path

import pytest
from postgresql_server import PostgresqlServer, postgresql  # noqa: F401
from pretended_studies import PretendedExecutor, plan, run

from autotune.cli import main
from autotune.errors import AutotuneError
from autotune.store import Store, database_url

TRIALS = 4
FAILS_AT = 2  # the trial that cannot be stored


class FailingExecutor(PretendedExecutor):
    """Breaks the database while a trial is measured."""

    def __init__(self, inflict: Callable[[], object]) -> None:
        super().__init__()
        self._inflict = inflict

    def execute(self, trial, watch):
        if len(self.trials) == FAILS_AT:
            self._inflict()
        return super().execute(trial, watch)


@contextmanager
def tmpfs(size: str) -> Iterator[Callable[[Path], Path]]:
    """Makes a file system of a few pages; skips where the user may not mount."""
    mounted: list[Path] = []

    def mount(place: Path) -> Path:
        place.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=False)
        if done.returncode:
            pytest.skip("cannot mount a file system here")
        mounted.append(place)
        return place

    try:
        yield mount
    finally:
        for place in mounted:
            subprocess.run(["umount", "-l", str(place)], check=True)


class Fault:
    """A fault of a SQLite database in mid-study: how it comes and how it goes."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.file = place / "autotune.db"

    def inflict(self) -> None: ...

    def mend(self) -> None: ...


class DiskFull(Fault):
    words = "make room"

    def inflict(self) -> None:
        with (self.place / "filler").open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"x" * 4096)

    def mend(self) -> None:
        (self.place / "filler").unlink()


class Locked(Fault):
    words = "end that process"

    def inflict(self) -> None:
        self._other = sqlite3.connect(self.file, isolation_level=None)
        self._other.execute("BEGIN IMMEDIATE")

    def mend(self) -> None:
        self._other.close()


class Removed(Fault):
    words = "put it back"

    def inflict(self) -> None:
        for each in self.place.glob("autotune.db*"):
            each.rename(each.with_name(f"moved-{each.name}"))

    def mend(self) -> None:
        for each in self.place.glob("autotune.db*"):
            each.unlink()
        for each in self.place.glob("moved-*"):
            each.rename(each.with_name(each.name.removeprefix("moved-")))


class Replaced(Removed):
    def inflict(self) -> None:
        content = self.file.read_bytes()
        super().inflict()
        self.file.write_bytes(content)


def _interrupted_by(url: str, tmp_path: Path, inflict: Callable[[], object]) -> str:
    """The error of a study whose database fails at a trial."""
    executor = FailingExecutor(inflict)
    with closing(Store.open(url)) as store, pytest.raises(AutotuneError) as raised, store.in_use():
        run(plan(tmp_path, trials=TRIALS), store, executor)
    assert len(executor.trials) == FAILS_AT + 1
    assert raised.value.exit_code == (5 if "resumes" in str(raised.value) else 1)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def _resumed(url: str, tmp_path: Path) -> None:
    """The same study goes on; every measured trial is there and none is measured again."""
    executor = PretendedExecutor()
    with closing(Store.open(url)) as store:
        result = run(plan(tmp_path, trials=TRIALS), store, executor)
        assert [trial.number for trial in result.trials] == list(range(TRIALS))
        assert len(executor.trials) == TRIALS - FAILS_AT - 1
        states = {trial.state.name for trial in store.optuna_storage().get_all_trials(1)}
    assert states == {"COMPLETE"}


@pytest.mark.parametrize("fault", [DiskFull, Locked, Removed, Replaced])
def test_fault_in_mid_study_is_one_line_and_the_measured_trial_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: type[Fault]
) -> None:
    monkeypatch.setattr("autotune.store._engine.BUSY_TIMEOUT_S", 0.1)
    kept = tmp_path / "tmp"
    kept.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(kept))
    with tmpfs("3m") as mount:
        made = fault(mount(tmp_path / "disk"))
        url = database_url(made.place)
        line = _interrupted_by(url, tmp_path, made.inflict)
        assert made.words in line
        made.mend()
        _resumed(url, tmp_path)
    assert not list(kept.iterdir())


def test_postgresql_stopped_in_mid_study(tmp_path: Path, postgresql: PostgresqlServer) -> None:  # noqa: F811
    url = postgresql.new_database()
    try:
        line = _interrupted_by(url, tmp_path, postgresql.kill)
    finally:
        postgresql.start()
    assert "start the database server again" in line
    _resumed(url, tmp_path)


def test_lock_that_passes_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    monkeypatch.setattr("autotune.store._engine.BUSY_TIMEOUT_S", 20.0)
    fault = Locked(tmp_path)

    def inflict() -> None:
        fault._other = sqlite3.connect(fault.file, isolation_level=None, check_same_thread=False)
        fault._other.execute("BEGIN IMMEDIATE")
        threading.Timer(0.5, fault.mend).start()

    with closing(Store.open(database_url(tmp_path))) as store, store.in_use():
        result = run(plan(tmp_path, trials=TRIALS), store, FailingExecutor(inflict))
    assert len(result.trials) == TRIALS


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """The directory of a database with two studies."""
    place = tmp_path / "results"
    place.mkdir()
    with closing(Store.open(database_url(place))) as store:
        for name in ("study", "other"):
            run(plan(tmp_path, trials=2, name=name), store, PretendedExecutor())
    return place


def _damage(place: Path, statement: str) -> None:
    with closing(sqlite3.connect(place / "autotune.db")) as connection, connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE autotune_study SET objective_body = '{' WHERE name = 'study'",
        "UPDATE autotune_study SET objective_body = '{\"$\": \"Nothing\"}' WHERE name = 'study'",
        "UPDATE autotune_study SET objective_body = '[]' WHERE name = 'study'",
        "UPDATE autotune_trial SET body = 'x' WHERE study_id = 1",
        'UPDATE autotune_trial SET body = \'{"$": "TrialOutcome", "kind": 3}\' WHERE study_id = 1 AND number = 1',
        "UPDATE autotune_measurement SET body = '3' WHERE trial_id = 1",
        "UPDATE autotune_probe SET histogram = x'00ff' WHERE trial_id = 1",
        "UPDATE autotune_probe SET body = '" + "[" * 20_000 + "' WHERE trial_id = 1",
        "DELETE FROM autotune_server_statistics",
    ],
)
def test_damaged_row_costs_its_own_study_only(
    finished: Path, capsys: pytest.CaptureFixture[str], statement: str
) -> None:
    _damage(finished, statement)
    assert main(["studies", "show", "study", "--results", str(finished)]) == 1
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "study 'study'" in line
    if "server_statistics" in statement:
        return
    assert main(["studies", "show", "other", "--results", str(finished)]) == 0
    capsys.readouterr()
    if "histogram" not in statement:  # which a list does not read
        for form in ([], ["--json"]):
            assert main(["studies", "list", *form, "--results", str(finished)]) == 1
            captured = capsys.readouterr()
            assert "other" in captured.out
            assert captured.err.count("\n") == 1


@pytest.mark.parametrize("version", ["-1", "0", "99"])
@pytest.mark.parametrize("command", [["studies", "list"], ["report", "study"], ["export", "study"]])
def test_version_that_nothing_wrote_is_refused(
    finished: Path, capsys: pytest.CaptureFixture[str], version: str, command: list[str]
) -> None:
    _damage(finished, f"UPDATE autotune_schema SET version = {version}")  # noqa: S608
    before = (finished / "autotune.db").read_bytes()
    assert main([*command, "--results", str(finished)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert (finished / "autotune.db").read_bytes() == before


@pytest.mark.parametrize("pending", [False, True], ids=["closed", "with a log"])
def test_database_on_a_read_only_mount_is_read(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], pending: bool
) -> None:
    with tmpfs("4m") as mount:
        place = mount(tmp_path / "disk")
        with closing(sqlite3.connect(finished / "autotune.db")) if pending else nullcontext() as writer:
            if writer is not None:  # what is only in the log yet
                writer.execute("UPDATE autotune_study SET model = 'renamed'")
                writer.commit()
            for each in finished.glob("autotune.db*"):
                shutil.copy(each, place)
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        for command in (["studies", "list"], ["studies", "show", "study"], ["studies", "export", "study"]):
            assert main([*command, "--results", str(place)]) == 0
            out = capsys.readouterr().out
            assert command[1] != "list" or ("renamed" in out) is pending
        assert sorted(os.listdir(place)) == sorted(each.name for each in finished.glob("autotune.db*") if pending) or [
            "autotune.db"
        ]


def test_database_of_another_program_gets_no_table(tmp_path: Path) -> None:
    _damage(tmp_path, "CREATE TABLE invoices (number INTEGER)")
    before = (tmp_path / "autotune.db").read_bytes()
    with pytest.raises(AutotuneError, match="belongs to another program") as raised:
        Store.open(database_url(tmp_path))
    assert raised.value.exit_code == 2
    assert (tmp_path / "autotune.db").read_bytes() == before


def test_tables_of_optuna_are_known() -> None:
    from optuna.storages._rdb import models

    from autotune.store._foreign import OPTUNA_TABLES

    assert models.BaseModel.metadata.tables.keys() <= OPTUNA_TABLES
