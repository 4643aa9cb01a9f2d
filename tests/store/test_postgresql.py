"""Coordinators that share a PostgreSQL server."""

import subprocess
import sys
from contextlib import closing

import pytest
from postgresql_server import PostgresqlServer
from stored_trials import begin, outcome

from autotune.errors import AutotuneError, UsageError
from autotune.store import Store

COORDINATOR = """
import sys
from stored_trials import begin, outcome
from autotune.store import Store
store = Store.open(sys.argv[1])
study, _ = begin(store, sys.argv[2])
with store.exclusive(sys.argv[2]):
    for number in range(20):
        store.save_trial(study, number, "proposed", outcome())
"""


@pytest.fixture
def url(postgresql: PostgresqlServer) -> str:
    return postgresql.new_database()


def test_four_coordinators_of_different_studies_lose_no_row(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    names = [f"study-{number}" for number in range(4)]
    running = [subprocess.Popen([sys.executable, "-c", COORDINATOR, url, name]) for name in names]
    assert [each.wait(timeout=120) for each in running] == [0] * 4
    with closing(Store.open_existing(url)) as store:
        studies = store.studies()
        assert sorted(each.name for each in studies) == names
        assert all([trial.number for trial in store.trials(each)] == list(range(20)) for each in studies)


def test_one_study_has_one_coordinator_at_a_time(url: str) -> None:
    with closing(Store.open(url)) as here, closing(Store.open(url)) as there:
        refused = pytest.raises(UsageError, match="another process is running study 'study'")
        with here.exclusive("study"), there.exclusive("another"), refused, there.exclusive("study"):
            pass
        with there.exclusive("study"):  # free again
            pass


def test_a_server_killed_in_mid_study_is_one_line_and_the_study_goes_on(url: str, postgresql: PostgresqlServer) -> None:
    with closing(Store.open(url)) as store:
        study, _ = begin(store)
        store.save_trial(study, 0, "proposed", outcome())
        postgresql.kill()
        try:
            with pytest.raises(AutotuneError) as raised:
                store.save_trial(study, 1, "proposed", outcome())
            assert "\n" not in str(raised.value)
            with pytest.raises(UsageError, match="--storage: cannot open the database"):
                Store.open(url)
        finally:
            postgresql.start()
    with closing(Store.open(url)) as again:
        resumed, _ = begin(again)
        assert [trial.number for trial in again.trials(resumed)] == [0, 1]  # kept in a file until then
        again.save_trial(resumed, 2, "proposed", outcome())
        assert len(again.trials(resumed)) == 3


def test_a_password_is_shown_nowhere(url: str) -> None:
    with pytest.raises(UsageError) as raised:
        Store.open("postgresql+psycopg://tests:secret@127.0.0.1:1/none")
    assert "secret" not in str(raised.value)
    with closing(Store.open(url.replace("tests@", "tests:secret@"))) as store:
        assert "secret" not in store.url
