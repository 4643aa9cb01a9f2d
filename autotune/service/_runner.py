"""Starts ``autotune run`` for one job after the other."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import psutil
import yaml

from autotune.errors import AutotuneError, StorageFault
from autotune.service._settings import ServiceSettings
from autotune.store import Job, JobState

EVENTS_FILE, RESULT_FILE = "events.jsonl", "result.json"
"""What a run writes to standard error and output, in the directory of its job."""

_POLL_S = 0.5
_GRACE_S = 60.0  # for a run that is interrupted: it stores its windows, exports the best config, stops its server
_MOST_STARTS = 10  # of a job whose service is killed, or whose database fails, each time
_STATES = {0: JobState.DONE, 3: JobState.INFEASIBLE}  # by the exit code of ``autotune run``
_NOT_STARTED = -1  # instead of an exit code


class Runner:
    """Runs jobs until it is stopped. A job that was running then is queued again, and its study resumed.

    Args:
        settings: The service's.
        command: The command that runs a job; ``--config FILE`` is added.
    """

    def __init__(
        self, settings: ServiceSettings, command: Sequence[str] = (sys.executable, "-m", "autotune", "run")
    ) -> None:
        self._settings, self._command = settings, tuple(command)
        self._jobs = settings.store.jobs()
        self._name = f"{socket.gethostname()}:{settings.results.resolve()}"[:128]
        self._said = ""
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name=f"job runner {number}", daemon=True)
            for number in range(settings.parallel)
        ]

    def start(self) -> None:
        """Queues again what an earlier service left, and begins to run jobs."""
        for job in self._jobs.running(self._name):
            if job.process is not None:
                _end_process(job.process)
            self._note_end(job, None, "")
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Interrupts the runs and waits for them; they resume with the next service."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                job = self._jobs.take(self._name)
                self._said = ""
            except AutotuneError as error:  # the database; it may come back
                self._say(error)
                job = None
            if job is None:
                self._stopping.wait(_POLL_S)
            else:
                self._settle(job, *self._run(job))

    def _say(self, error: AutotuneError) -> None:
        """Prints what fails, once and not with every attempt."""
        if str(error) != self._said:
            self._said = str(error)
            sys.stderr.write(f"{error}\n")

    def _run(self, job: Job) -> tuple[int | None, str]:
        """The exit code of a job's run, and why it could not be started; None if it was cut short."""
        if job.repository not in self._settings.repositories:
            return _NOT_STARTED, f"the service has no repository {job.repository!r} any more"
        try:
            process = self._start(job)
        except OSError as error:  # such as a full disk
            return _NOT_STARTED, f"the run could not be started: {error}"
        try:
            self._jobs.started(job.name, _identity(process.pid))
        except AutotuneError as error:  # only a service that is killed now would need it
            self._say(error)
        return self._wait(job, process), ""

    def _start(self, job: Job) -> subprocess.Popen[bytes]:
        directory = self._settings.directory(job.name)
        directory.mkdir(parents=True, exist_ok=True)
        config = directory / "job.yaml"
        config.write_text(yaml.safe_dump({**job.options, **self._operators_options(job)}, sort_keys=False))
        command = [*self._command, "--config", str(config)]
        with (directory / RESULT_FILE).open("wb") as result, (directory / EVENTS_FILE).open("ab") as events:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=result,
                stderr=events,
                env=self._environment(),
                start_new_session=True,
            )

    def _operators_options(self, job: Job) -> dict[str, object]:
        return {
            **self._settings.run_options,
            "model-repository": str(self._settings.repositories[job.repository]),
            "results": str(self._settings.results),
            "study": job.name,
            "json": "true",
            "log-json": "true",
        }

    def _environment(self) -> dict[str, str]:
        """This process's, without options of ours: they would win over the job's."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AUTOTUNE_")}
        return {**kept, "AUTOTUNE_STORAGE": self._settings.storage} if self._settings.storage else kept

    def _wait(self, job: Job, process: subprocess.Popen[bytes]) -> int:
        """The exit code; a run that is to end is interrupted once, and killed if it takes too long."""
        while True:
            try:
                return process.wait(_POLL_S)
            except subprocess.TimeoutExpired:
                if self._stopping.is_set() or self._is_cancelled(job):
                    break
        process.send_signal(signal.SIGINT)
        try:
            return process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def _is_cancelled(self, job: Job) -> bool:
        """Whether a job is to be cancelled, as far as the database answers."""
        try:
            now = self._jobs.find(job.name)
        except AutotuneError as error:
            self._say(error)
            return False
        return now is not None and now.cancelling

    def _settle(self, job: Job, code: int | None, why: str = "") -> None:
        """Notes what became of a job, as soon as the database answers; the next service does it if none does."""
        while True:
            try:
                self._note_end(job, code, why)
                return
            except AutotuneError as error:
                self._say(error)
                if self._stopping.wait(_POLL_S):
                    return

    def _note_end(self, job: Job, code: int | None, why: str) -> None:
        """Writes what became of a job whose run ended with ``code``; None if it was cut short.

        A run that lost its database is queued again: this is written when the database answers.
        """
        state, now = _STATES.get(-1 if code is None else code), self._jobs.find(job.name)
        if state is not None:
            self._jobs.finish(job.name, state, "" if state is JobState.DONE else "no config meets the SLO")
        elif now is not None and now.cancelling:
            self._jobs.finish(job.name, JobState.CANCELLED, "cancelled while it ran")
        elif (code in (None, StorageFault.exit_code) or self._stopping.is_set()) and job.starts < _MOST_STARTS:
            self._jobs.queue_again(job.name)
        else:
            words = why or last_words(self._settings.directory(job.name) / EVENTS_FILE)
            self._jobs.finish(job.name, JobState.FAILED, words or f"ended with exit code {code}")


def last_words(events: Path) -> str:
    """The last line of a run that is no event: why it failed; empty if there is none."""
    try:
        lines = events.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line[:500] for line in reversed(lines[-50:]) if line.strip() and not _is_event(line)), "")


def _is_event(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _identity(pid: int) -> str:
    """A process that cannot be taken for a later one with the same id."""
    try:
        return f"{pid}@{psutil.Process(pid).create_time():.2f}"
    except psutil.NoSuchProcess:
        return f"{pid}@0"


def _end_process(identity: str) -> None:
    """Interrupts the process of that identity, if it still runs, and waits for it."""
    pid = int(identity.partition("@")[0])
    if _identity(pid) != identity:
        return
    try:
        process = psutil.Process(pid)
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_GRACE_S)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait()
    except psutil.NoSuchProcess:
        pass
