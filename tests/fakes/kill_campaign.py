"""Kills runs in every phase and looks at what is lost, repeated or left behind: ``make faults``.

Each run goes on with the study of the one before. ``python -m kill_campaign --kills 100`` (with ``tests/fakes`` on
``PYTHONPATH``) prints the phases and the figures, and ends with 1 if any of them is not zero.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from killed_runs import family, left_on_machine, still_running, write_sleeper

from autotune.errors import UsageError
from autotune.repository import abandoned_areas
from autotune.server import DockerLauncher, LaunchOptions
from autotune.server._engine import CPU_IMAGE, connect

PHASES = ("start", "study started", "trial started", "server ready", "window", "trial finished", "run finished")
"""Before the first event, and after each kind of event of ``--log-json``."""
_SIGNALS = (signal.SIGKILL,) * 6 + (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_AFTER_S = 0.2  # from the event to the kill, at most
_SERVICE_S = 0.004  # a slow model needs windows of 10 s for enough requests
_START_S = 2.0  # the phase before the first event, at most


@dataclass
class Figures:
    """What a campaign found.

    Attributes:
        kills: Kills by phase.
        studies: Studies that were finished.
        lost: Rows that were committed before a kill and are missing or changed later.
        repeated: Trials that were measured although their outcome was committed.
        left: Processes, files and directories of a killed run that are there once the next one serves.
        broken: Runs that ended by themselves with an error.
    """

    kills: Counter[str] = field(default_factory=Counter)
    studies: int = 0
    lost: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, repeated, left or broken."""
        return not (self.lost or self.repeated or self.left or self.broken)

    def __str__(self) -> str:
        phases = ", ".join(f"{self.kills[phase]} at {phase!r}" for phase in PHASES if self.kills[phase])
        lines = [
            f"kills: {sum(self.kills.values())} ({phases})",
            f"studies finished: {self.studies}",
            f"committed rows lost: {len(self.lost)}",
            f"finished trials repeated: {len(self.repeated)}",
            f"leftovers after the resume: {len(self.left)}",
            f"runs ended by an error: {len(self.broken)}",
        ]
        return "\n".join([*lines, *self.lost, *self.repeated, *self.left, *self.broken])


class Campaign:
    """Kills in a directory of its own.

    Args:
        place: An empty directory.
        seed: Of the phases, moments and signals.
        launch: Words that choose the launch mode.
        report: Gets a line after each kill.
        trials: Trials of a study; a study is killed as often as there are phases left before it is finished.
    """

    def __init__(
        self,
        place: Path,
        seed: int,
        launch: tuple[str, ...] = ("--launch", "embedded"),
        trials: int = 3,
        report: Callable[[str], object] = lambda line: None,
    ) -> None:
        self.figures = Figures()
        self._models, self._results = place / "models", place / "results"
        self._launch = launch
        self._in_containers = "docker" in launch
        self._trials = trials
        self._report = report
        self._random = random.Random(seed)
        self._killed: dict[int, list[psutil.Process]] = {}
        self._committed: dict[str, str] = {}
        write_sleeper(self._models, _SERVICE_S)

    def run(self, kills: int, among: Sequence[str] = PHASES) -> Figures:
        """Kills so often in these phases, then lets the last study finish."""
        phases = [among[each % len(among)] for each in range(kills)]
        self._random.shuffle(phases)  # those that are left when a study is finished are those of the next one
        missed = 0
        while phases:
            phase = phases.pop()
            if not self._one(phase):  # it was finished before: the next study is killed there
                missed += 1
                phases.append(phase if missed % 4 else "window")  # a study may have no finals
        self._one(None)  # which is not killed
        self._check_left()
        return self.figures

    def _one(self, phase: str | None) -> bool:
        """Runs and kills in a phase; returns whether it was killed there."""
        run = self._start()
        assert run.stderr is not None
        wanted = self._random.choice((1, 1, 2, 3, 8)) if phase == "window" else 1
        delay_s = self._random.uniform(0, _START_S if phase == "start" else _AFTER_S)
        last = ""
        if phase != "start":
            for last in run.stderr:
                event = _event(last)
                if event.get("event") == "trial finished":  # finals start trials again, and end as "run finished"
                    self._check_repeated(int(event["trial"]))
                if event.get("event") == "server ready":
                    self._check_left()
                wanted -= bool(phase) and event.get("event") == phase
                if wanted == 0:
                    break
            else:
                self._finished(run, last)
                return False
        time.sleep(delay_s)
        return self._kill(run, phase or "")

    def _kill(self, run: subprocess.Popen[str], phase: str) -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            self._killed[run.pid] = family(run.pid)[1:]
        if run.poll() is not None:
            self._finished(run, (run.stderr.read() if run.stderr else "").strip().rpartition("\n")[2])
            return False
        run.send_signal(self._random.choice(_SIGNALS))
        run.communicate()
        self.figures.kills[phase] += 1
        self._check_lost(phase)
        self._report(f"{sum(self.figures.kills.values())} kills, the last one at {phase!r}")
        return True

    def _finished(self, run: subprocess.Popen[str], last: str) -> None:
        run.communicate()
        self._killed[run.pid] = []
        if run.returncode not in (0, 3):
            self.figures.broken.append(f"exit code {run.returncode}: {last.strip()}")
        self._check_lost("end")
        self.figures.studies += 1

    def _start(self) -> subprocess.Popen[str]:
        words = ["run", "--model-repository", str(self._models), "--results", str(self._results), *self._launch]
        words += ["--p99", "1s", "--trials", str(self._trials), "--window", "20ms", "--confidence", "0.6"]
        words += ["--final-rounds", "1"]
        words += ["--study", f"study-{self.figures.studies}", "--share-machine", "--log-json"]
        return subprocess.Popen(
            [sys.executable, "-m", "autotune", *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def _check_lost(self, phase: str) -> None:
        now = self._rows()
        self.figures.lost += [
            f"lost after a kill at {phase!r}: {row}"
            for row, content in self._committed.items()
            if now.get(row) != content
        ]
        self._committed = now

    def _rows(self) -> dict[str, str]:
        """Every committed trial and run that was measured to its end, with a digest of its content."""
        file = self._results / "autotune.db"
        if not file.exists():
            return {}
        query = """SELECT study.name, trial.id, trial.role, trial.number, trial.kind, trial.finished_at, trial.body,
            (SELECT COUNT(*) FROM autotune_probe AS probe WHERE probe.trial_id = trial.id)
            FROM autotune_trial AS trial JOIN autotune_study AS study ON study.id = trial.study_id
            WHERE trial.kind NOT IN ('interrupted', 'out of time')"""
        with closing(sqlite3.connect(file, timeout=30)) as connection:
            try:
                rows = connection.execute(query).fetchall()
            except sqlite3.OperationalError:  # killed before the tables were made
                return {}
        return {
            f"{name} {role} {number if number is not None else row}": hashlib.sha256(repr(rest).encode()).hexdigest()
            for name, row, role, number, *rest in rows
        }

    def _check_repeated(self, number: int) -> None:
        row = f"study-{self.figures.studies} trial {number}"
        if row in self._committed:
            self.figures.repeated.append(f"measured again: {row}")

    def _check_left(self) -> None:
        """What runs left that were killed; called once the next one serves."""
        for pid, processes in self._killed.items():
            self.figures.left += [f"process {each.pid} of {pid}" for each in still_running(processes)]
            self.figures.left += [f"{path} of {pid}" for path in left_on_machine(pid)]
            self.figures.left += (
                [f"container {name} of {pid}" for name in _containers(pid)] if self._in_containers else []
            )
        self._killed.clear()
        for directory in self._results.glob("study-*"):
            self.figures.left += [str(area) for area in abandoned_areas(directory)]


def _event(line: str) -> dict[str, object]:
    with contextlib.suppress(ValueError):
        found = json.loads(line)
        if isinstance(found, dict):
            return found
    return {}


def _containers(pid: int) -> list[str]:
    """Containers that a process created."""
    with closing(connect()) as client:
        found = client.containers.list(all=True, filters={"label": f"autotune.pid={pid}"}, ignore_removed=True)
        return [each.name for each in found]


def _launches(image: str) -> list[tuple[str, ...]]:
    """Both launch modes, or the embedded one alone where no engine has the image, which is said."""
    embedded = ("--launch", "embedded")
    try:
        DockerLauncher(LaunchOptions(image=image)).check()
    except UsageError as error:
        sys.stdout.write(f"--launch docker is left out: {error}\n")
        return [embedded]
    return [embedded, ("--launch", "docker", "--image", image)]


def _progress(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main() -> int:
    """Runs a campaign for each launch mode and prints its figures."""
    parser = argparse.ArgumentParser(description="Kills runs in every phase.")
    parser.add_argument("--kills", type=int, default=100, help="kills, shared by the launch modes")
    parser.add_argument("--trials", type=int, default=3, help="trials of each study")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--image", default=os.environ.get("AUTOTUNE_IMAGE", CPU_IMAGE), help="of the containers")
    options = parser.parse_args()
    clean = True
    launches = _launches(options.image)
    for number, launch in enumerate(launches):
        kills = (options.kills + number) // len(launches)
        with tempfile.TemporaryDirectory(prefix="kills-") as place:
            started = time.monotonic()
            figures = Campaign(Path(place), options.seed, launch, options.trials, _progress).run(kills)
        sys.stdout.write(f"{' '.join(launch)}, {time.monotonic() - started:.0f} s\n{figures}\n")
        sys.stdout.flush()
        clean = clean and figures.clean
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
