"""A service with three tokens, and runs that only pretend to measure."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from autotune.service import Runner, Scope, ServiceSettings, Tokens, create_application, new_token
from autotune.store import JobState, Store, database_url

REPOSITORY = Path(__file__).parents[2] / "model_repository"
OPTIONS = {"model": "mnist", "p99": "5ms"}

# A run that notes its start, takes as long as its model's name says, and exits as an interrupted run does.
RUN = """
import pathlib, signal, sys, time, yaml
job = yaml.safe_load(pathlib.Path(sys.argv[sys.argv.index("--config") + 1]).read_text())
log = pathlib.Path(job["results"]) / "runs.log"
with log.open("a") as file:
    file.write(f"start {job['study']}\\n")
signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
print('{"event": "study started"}', file=sys.stderr, flush=True)
seconds, code = (float(part) for part in str(job.get("window", "0s 0")).replace("s", "").split())
time.sleep(seconds)
signal.signal(signal.SIGINT, signal.SIG_IGN)
if code == 1:
    print("error: the server ended", file=sys.stderr)
if code == 5 and log.read_text().count(f"start {job['study']}\\n") > 1:  # the database answers again
    code = 0
print('{"code": %d}' % code)
with log.open("a") as file:
    file.write(f"end {job['study']}\\n")
sys.exit(int(code))
"""


@dataclass
class Service:
    """A service's parts, and a client for each token."""

    settings: ServiceSettings
    secrets: dict[str, str]

    def client(self, name: str = "") -> TestClient:
        headers = {"Authorization": f"Bearer {self.secrets[name]}"} if name else {}
        return TestClient(create_application(self.settings), headers=headers)

    def runner(self, folder: Path) -> Runner:
        script = folder / "run.py"
        script.write_text(RUN)
        return Runner(self.settings, (sys.executable, str(script)))

    def add(self, run: str = "0s 0", tenant: str = "search") -> str:
        """A job whose run takes and exits as ``run`` says."""
        jobs = self.settings.store.jobs()
        return jobs.submit(tenant, "tests", "models", {"model": "mnist", "window": run}, 1000).name

    def states(self) -> list[JobState]:
        return [job.state for job in self.settings.store.jobs().newest(limit=1000)]

    def state(self, name: str) -> JobState:
        job = self.settings.store.jobs().find(name)
        assert job is not None
        return job.state


def make_service(folder: Path, url: str | None = None, **limits: Any) -> Service:
    tokens = folder / "tokens.yaml"
    scopes = {
        "alice": ("search", {Scope.READ, Scope.SUBMIT}),
        "bob": ("ads", {Scope.READ, Scope.SUBMIT}),
        "reader": ("search", {Scope.READ}),
        "prometheus": ("monitoring", {Scope.METRICS}),
        "root": ("platform", {Scope.ADMIN}),
    }
    secrets = {name: new_token(tokens, name, tenant, frozenset(has)) for name, (tenant, has) in scopes.items()}
    results = folder / "results"
    settings = ServiceSettings(
        store=Store.open(url or database_url(results)),
        storage=url,
        results=results,
        repositories={"models": REPOSITORY},
        tokens=Tokens.load(tokens),
        **{"most_requests_per_minute": 100_000, **limits},
    )
    return Service(settings, secrets)


def wait_until(holds: Callable[[], bool], limit_s: float = 60.0) -> None:
    end = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < end, "not within the limit"
        time.sleep(0.05)
