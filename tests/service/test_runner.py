"""Jobs are run in turn, survive restarts, and end as their runs end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from postgresql_server import PostgresqlServer, postgresql  # noqa: F401
from served_jobs import Service, make_service, wait_until

from autotune.store import JobState


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
    script.write_text(
        "import sys, threading\n"
        "from pathlib import Path\n"
        f"sys.path.insert(0, {str(Path(__file__).parents[1] / 'fakes')!r})\n"
        "from served_jobs import Service, ServiceSettings, REPOSITORY, Store, database_url, Tokens\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "results = folder / 'results'\n"
        "settings = ServiceSettings(Store.open(database_url(results)), None, results,\n"
        "    {'models': REPOSITORY}, Tokens.load(folder / 'tokens.yaml'))\n"
        "Service(settings, {}).runner(folder).start()\n"
        "threading.Event().wait()\n"
    )
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
    assert "progress" in kinds
    assert states[-1] == "done"
