"""Jobs are run in turn, survive restarts, and end as their runs end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import sqlalchemy
from postgresql_server import PostgresqlServer, postgresql  # noqa: F401
from served_jobs import Service, make_service, wait_until

from autotune.service._events import job_events
from autotune.store import JobState

# A service of its own process, with the same database.
SETTINGS = """
import sys, threading
from pathlib import Path
sys.path.insert(0, {fakes!r})
from served_jobs import Service, ServiceSettings, REPOSITORY, Store, database_url, Tokens
folder = Path({folder!r})
results = folder / "results"
tokens = Tokens.load(folder / "tokens.yaml")
settings = ServiceSettings(Store.open(database_url(results)), None, results, dict(models=REPOSITORY), tokens)
"""
SERVE = """
from autotune.service import _serve
_serve.Runner = lambda settings: Service(settings, {}).runner(folder)
try:
    _serve.serve(settings, "127.0.0.1", 0)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return make_service(tmp_path)


def runs(service: Service) -> Counter[str]:
    return Counter((service.settings.results / "runs.log").read_text().splitlines())


def test_states_follow_exit_codes(service: Service, tmp_path: Path) -> None:
    names = {code: service.add(f"0s {code}") for code in (0, 1, 2, 3)}
    runner = service.runner(tmp_path)
    runner.start()
    wait_until(lambda: all(state.final for state in service.states()))
    runner.stop()
    ended = {code: service.state(name).value for code, name in names.items()}
    assert ended == {0: "done", 1: "failed", 2: "failed", 3: "infeasible"}
    failed = service.settings.store.jobs().find(names[1])
    assert failed is not None
    assert failed.message == "error: the server ended"
    assert service.client("alice").get(f"/v1/jobs/{names[0]}/result").json() == {"code": 0}


def test_oldest_job_runs_first(service: Service, tmp_path: Path) -> None:
    names = [service.add() for _ in range(4)]
    runner = service.runner(tmp_path)
    runner.start()
    wait_until(lambda: all(state.final for state in service.states()))
    runner.stop()
    started = [line.split()[1] for line in (service.settings.results / "runs.log").read_text().splitlines()[::2]]
    assert started == names


def test_cancelled_while_it_runs_and_before(service: Service, tmp_path: Path) -> None:
    running, queued = service.add("60s 0"), service.add()
    runner = service.runner(tmp_path)
    runner.start()
    wait_until((service.settings.results / "runs.log").exists)
    alice = service.client("alice")
    assert alice.post(f"/v1/jobs/{queued}/cancel").json()["state"] == "cancelled"
    alice.post(f"/v1/jobs/{running}/cancel")
    wait_until(lambda: service.state(running) is JobState.CANCELLED)
    runner.stop()
    assert runs(service) == {f"start {running}": 1}


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_200_jobs_survive_restarts(database: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = None
    if database == "postgresql":
        server: PostgresqlServer = request.getfixturevalue("postgresql")
        url = server.new_database()
    service = make_service(tmp_path, url, parallel=8)
    names = [service.add("0.01s 0") for _ in range(200)]
    for restart in range(3):
        runner = service.runner(tmp_path)
        runner.start()
        wait_until(lambda done=50 * (restart + 1): Counter(service.states())[JobState.DONE] >= done)
        runner.stop()
        assert JobState.RUNNING not in service.states()
    runner = service.runner(tmp_path)
    runner.start()
    wait_until(lambda: all(state.final for state in service.states()))
    runner.stop()
    assert Counter(service.states()) == {JobState.DONE: 200}
    ends = {line: number for line, number in runs(service).items() if line.startswith("end")}
    assert ends == {f"end {name}": 1 for name in names}


def test_killed_service_leaves_no_second_run(service: Service, tmp_path: Path) -> None:
    """The run of a service that was killed lives on; the next service ends it before it resumes the study."""
    name = service.add("60s 0")
    script = tmp_path / "serve.py"
    settings = SETTINGS.format(fakes=str(Path(__file__).parents[1] / "fakes"), folder=str(tmp_path))
    script.write_text(settings + "Service(settings, {}).runner(folder).start()\nthreading.Event().wait()\n")
    killed = subprocess.Popen([sys.executable, str(script)], start_new_session=True)
    log = service.settings.results / "runs.log"
    wait_until(lambda: log.exists() and bool(find_process(service, name)))
    first = find_process(service, name)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    runner = service.runner(tmp_path)
    runner.start()
    wait_until(lambda: runs(service)[f"start {name}"] == 2)
    assert not Path(f"/proc/{first.partition('@')[0]}/cmdline").exists()
    service.client("alice").post(f"/v1/jobs/{name}/cancel")
    wait_until(lambda: service.state(name) is JobState.CANCELLED)
    runner.stop()


def test_a_job_that_cannot_be_started_fails_and_the_next_one_runs(service: Service, tmp_path: Path) -> None:
    """Such as one of a repository that the service was started without, or whose directory cannot be made."""
    jobs = service.settings.store.jobs()
    gone = jobs.submit("search", "tests", "gone", {"model": "mnist"}, 1000).name
    blocked, next_one = service.add(), service.add()
    (service.settings.results / blocked).write_text("a file")
    runner = service.runner(tmp_path)
    runner.start()
    wait_until(lambda: all(state.final for state in service.states()))
    runner.stop()
    assert [service.state(name).value for name in (gone, blocked, next_one)] == ["failed", "failed", "done"]
    messages = [job.message for name in (gone, blocked) if (job := jobs.find(name))]
    assert messages[0] == "the service has no repository 'gone' any more"
    assert messages[1].startswith("the run could not be started: ")


def test_a_database_that_fails_for_a_while_loses_no_run(tmp_path: Path, postgresql: PostgresqlServer) -> None:  # noqa: F811
    service = make_service(tmp_path, postgresql.new_database())
    name, next_one = service.add("2s 0"), service.add()
    runner = service.runner(tmp_path)
    runner.start()
    wait_until((service.settings.results / "runs.log").exists)
    postgresql.kill()
    wait_until(lambda: runs(service)[f"end {name}"] == 1)
    postgresql.start()
    wait_until(lambda: all(state.final for state in service.states()))
    runner.stop()
    assert (service.state(name), service.state(next_one)) == (JobState.DONE, JobState.DONE)
    assert max(runs(service).values()) == 1


def test_a_run_that_lost_its_database_is_started_again(service: Service, tmp_path: Path) -> None:
    name = service.add("0s 5")
    runner = service.runner(tmp_path)
    runner.start()
    wait_until(lambda: all(state.final for state in service.states()))
    runner.stop()
    assert service.state(name) is JobState.DONE
    assert runs(service)[f"start {name}"] == 2


def test_a_job_that_is_cancelled_while_it_is_taken_is_cancelled(tmp_path: Path, postgresql: PostgresqlServer) -> None:  # noqa: F811
    """PostgreSQL reads rows as they were before a transaction that has not ended: who cancels must wait for it."""
    url = postgresql.new_database()
    service = make_service(tmp_path, url)
    name, jobs = service.add(), service.settings.store.jobs()
    engine = sqlalchemy.create_engine(url)
    with ThreadPoolExecutor() as pool:
        with engine.begin() as taking:
            taking.execute(sqlalchemy.text("UPDATE autotune_job SET state = 'running'"))
            cancelled = pool.submit(jobs.cancel, name)
            waits = sqlalchemy.text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as other:
                wait_until(lambda: bool(other.execute(waits).scalar()))
        cancelled.result()
    engine.dispose()
    job = jobs.find(name)
    assert job is not None
    assert (job.state, job.cancelling) == (JobState.RUNNING, True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda each: each.name)
def test_a_service_that_is_ended_ends_its_runs_and_queues_their_jobs(
    service: Service, tmp_path: Path, number: signal.Signals
) -> None:
    """Docker, Kubernetes and systemd end a service with SIGTERM, a terminal that is closed with SIGHUP."""
    name = service.add("60s 0")
    script = tmp_path / "serve.py"
    script.write_text(SETTINGS.format(fakes=str(Path(__file__).parents[1] / "fakes"), folder=str(tmp_path)) + SERVE)
    log = tmp_path / "serve.log"
    with log.open("w") as errors:
        serving = subprocess.Popen([sys.executable, str(script)], stderr=errors, start_new_session=True)
    try:
        wait_until(lambda: "serves jobs on http://127.0.0.1:" in log.read_text())
        wait_until(lambda: bool(find_process(service, name)) and (service.settings.results / "runs.log").exists())
        pid = int(find_process(service, name).partition("@")[0])
        serving.send_signal(number)
        assert serving.wait(30) == 130
        assert "ending; jobs that run are interrupted" in log.read_text()
        assert not psutil.pid_exists(pid)
        assert service.state(name) is JobState.QUEUED
    finally:
        serving.kill()
        serving.wait()
        if found := find_process(service, name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(found.partition("@")[0]), signal.SIGKILL)


def find_process(service: Service, name: str) -> str:
    job = service.settings.store.jobs().find(name)
    return (job.process or "") if job else ""


def test_events_are_streamed_until_the_end(service: Service, tmp_path: Path) -> None:
    name = service.add("0.5s 0")
    runner = service.runner(tmp_path)
    runner.start()
    with service.client("alice").stream("GET", f"/v1/jobs/{name}/events") as answer:
        lines = [line for line in answer.iter_lines() if line]
    runner.stop()
    kinds = [line.removeprefix("event: ") for line in lines if line.startswith("event")]
    states = [json.loads(line[6:])["state"] for line in lines if line.startswith('data: {"state"')]
    assert kinds[-2:] == ["progress", "state"]
    assert states[-1] == "done"


def test_events_outlast_a_database_that_fails_for_a_while(tmp_path: Path, postgresql: PostgresqlServer) -> None:  # noqa: F811
    service = make_service(tmp_path, postgresql.new_database())
    name, jobs = service.add(), service.settings.store.jobs()

    async def watch() -> list[str]:
        events = job_events(jobs, name, service.settings.directory(name), 0)
        seen = [await anext(events)]
        postgresql.kill()
        seen.append(await anext(events))
        postgresql.start()
        jobs.finish(name, JobState.DONE, "")
        return [*seen, *[each async for each in events]]

    first, comment, *_, last = asyncio.run(watch())
    assert '"queued"' in first
    assert comment.startswith(": ")
    assert '"done"' in last


def test_events_go_on_where_a_browser_lost_them(service: Service) -> None:
    """A browser that connects again sends the number of the last event that it got."""
    name = service.add()
    events = service.settings.directory(name) / "events.jsonl"
    events.parent.mkdir(parents=True)
    events.write_bytes(
        b"".join(b'{"event": "note", "text": "%d"}\n' % number for number in range(2500)) + b"a\rb\nhalf"
    )
    service.settings.store.jobs().finish(name, JobState.DONE, "")
    alice = service.client("alice")

    def numbers(**headers: str) -> list[int]:
        answer = alice.get(f"/v1/jobs/{name}/events", headers={key.replace("_", "-"): headers[key] for key in headers})
        return [int(line.removeprefix("id: ")) for line in answer.text.splitlines() if line.startswith("id: ")]

    assert numbers() == list(range(1, 2502))
    assert numbers(last_event_id="2000") == list(range(2001, 2502))
    assert numbers(last_event_id="9999") == []
    assert "data: a b\n" in alice.get(f"/v1/jobs/{name}/events?after=2500").text
