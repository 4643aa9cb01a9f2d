"""Records a grid: every config of the space on a fresh server, in a random order, with a reference in between."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from autotune.measurement import Measurement, MeasureOptions, Question
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.repository import ConfigSet
from autotune.search import Executor, LocalExecutor, Trial, TrialWatch
from autotune.search._starts import TRITON_DEFAULT, starts
from autotune.server import Launcher
from autotune.space import Candidate
from benchmarks.replay._guesses import Guesses
from benchmarks.replay._pack import LAST, measured_rates
from benchmarks.replay._windows import packed
from benchmarks.replay._working import Entry, WorkingFile

_AGAIN = 2
_ODD = (OutcomeKind.CRASHED, OutcomeKind.TIMED_OUT)
_BEFORE_LOCATING = ("warm-up", "screen")
# Every config is measured once, the best ones again. One that is expected to sustain less than a part of the best rate
# so far gets less time.
_EFFORT, _ROUGH_EFFORT, _ROUGH_BELOW = 0.5, 0.35, 0.6


@dataclass(frozen=True)
class Task:
    """One measurement to make; see `Entry` for ``task``, ``name`` and ``attempt``."""

    task: str
    name: str
    configs: ConfigSet
    candidate: Candidate | None
    attempt: int = 0


@contextmanager
def measuring(working: WorkingFile, launcher: Launcher) -> Iterator[LocalExecutor]:
    """Executes trials on fresh servers, with the probes that the working file says."""
    subject = working.subject
    with tempfile.TemporaryDirectory(prefix="replay-") as name:
        directory = Path(name)
        yield LocalExecutor(
            subject.deployment(launcher, directory),
            subject.objective,
            MeasureOptions.of(working.head["probe_s"]),
            directory / "logs",
        )


@dataclass
class Recorder:
    """Makes the measurements that a working file lacks.

    Attributes:
        working: What was measured so far.
        seed: Shuffles the configs.
        reference_every: After how many configs the reference is measured again.
        again: How many of the best configs are measured two more times at least.
    """

    working: WorkingFile
    seed: int
    reference_every: int
    again: int

    def __post_init__(self) -> None:
        subject = self.working.subject
        self._base, self._space = subject.base, self.working.space
        self._candidates = list(self._space.candidates())
        self._guesses = Guesses(self.working)
        written, requests = subject.written, subject.requests
        self._all = list(starts(written, self._base, self._space, simulates=True, ready=False, requests=requests))
        reference = next((each for each in self._all if each.label == TRITON_DEFAULT), self._all[0])
        self._reference = reference.configs, reference.candidate

    def run(self, executor: Executor, limit_s: float) -> str:
        """Measures until all is done, the time is over or a person interrupts; says which.

        What ends oddly, or keeps no ceiling though it should, is measured once more: it may have been the machine.
        """
        deadline = time.monotonic() + limit_s
        for task in self._tasks():
            if time.monotonic() > deadline:
                return "the time is over; the same command goes on"
            guess = self._guess(task)
            outcome = executor.execute(self._trial(task, guess), TrialWatch())
            if outcome.kind in _ODD or (outcome.kind is OutcomeKind.INFEASIBLE and guess):
                outcome = executor.execute(self._trial(task, guess), TrialWatch())
            if outcome.kind is OutcomeKind.INTERRUPTED:
                return "interrupted; the same command goes on"
            if outcome.kind is OutcomeKind.CLIENT_FAILED:
                raise SystemExit(f"the load generator failed: {outcome.message}")
            self.working.append(entry := _entry(task, outcome))
            self._tell(entry, guess)
        return "all is measured; --pack writes the grid"

    def _tasks(self) -> Iterator[Task]:
        """What was not measured yet, in its order."""
        done = self.working.done
        for each in self._unconditional():
            if (each.task, each.name, each.attempt) not in done:
                yield each
        yield from self._again()
        if ("reference", LAST, 0) not in self.working.done:
            yield Task("reference", LAST, *self._reference)

    def _again(self) -> Iterator[Task]:
        """Measures the best configs until each of those that are the best by then has been measured three times.

        The highest of many rates is mostly a lucky one: measured again it falls back, and others take its place.
        """
        while wanting := [name for name in self._best() if self._attempts(name) < _AGAIN]:
            again = sum(1 for _ in self.working.of("again"))
            reference = f"again {again}"
            if again and again % self.reference_every == 0 and ("reference", reference, 0) not in self.working.done:
                yield Task("reference", reference, *self._reference)
            yield self._of_candidate("again", int(wanting[0]), self._attempts(wanting[0]) + 1)

    def _attempts(self, name: str) -> int:
        """How often a config was measured again."""
        return sum(entry.name == name for _, entry in self.working.of("again"))

    def _unconditional(self) -> Iterator[Task]:
        for start in self._all:
            if start.candidate is None or start.candidate.key not in self._keys_before(start.label):
                yield Task("start", start.label, start.configs, start.candidate)
        # The machine may be another one after a pause: every session begins with a reference of its own.
        yield Task("reference", f"session at {len(self.working.entries)}", *self._reference)
        order = np.random.default_rng(self.seed).permutation(len(self._candidates))
        for place, number in enumerate(order.tolist()):
            if place % self.reference_every == 0 and place:
                yield Task("reference", str(place), *self._reference)
            yield self._of_candidate("config", number)

    def _keys_before(self, label: str) -> set[str]:
        """Keys of the starts before this one: a person's own config may be Triton's default."""
        labels = [start.label for start in self._all]
        return {start.candidate.key for start in self._all[: labels.index(label)] if start.candidate}

    def _best(self) -> list[str]:
        """The best configs by all their measurements so far."""
        rates = measured_rates(self.working)
        return sorted(rates, key=lambda name: (-rates[name], int(name)))[: self.again]

    def _of_candidate(self, task: str, number: int, attempt: int = 0) -> Task:
        candidate = self._candidates[number]
        return Task(task, str(number), self._space.apply(candidate, self._base), candidate, attempt)

    def _guess(self, task: Task) -> float | None:
        if task.task == "start" or task.candidate is None:
            return None
        if task.task == "config":
            return self._guesses.of(task.candidate)
        alike = "reference" if task.task == "reference" else "config"
        known = [entry for _, entry in self.working.of(alike) if task.task == alike or entry.name == task.name]
        return known[-1].rate_per_s if known and known[-1].rate_per_s else self._guesses.of(task.candidate)

    def _trial(self, task: Task, guess: float | None) -> Trial:
        number = len(self.working.entries)
        # Every measurement meets arrivals of its own.
        question = Question(around_per_s=guess, certified=False, profiled=task.task == "start", seed=number)
        best = max((entry.rate_per_s for entry in self.working.entries), default=0.0)
        if task.task == "config":
            question = replace(question, effort=_ROUGH_EFFORT if (guess or 0.0) < _ROUGH_BELOW * best else _EFFORT)
        return Trial(number, task.candidate, task.configs, question)

    def _tell(self, entry: Entry, guess: float | None) -> None:
        about = f"guessed {guess:,.0f}" if guess else ""
        disturbed = f"{entry.disturbed} windows disturbed" if entry.disturbed else ""
        notes = "; ".join(each for each in (about, disturbed, entry.message[:200]) if each)
        print(
            f"{len(self.working.entries):4} {entry.task} {entry.name}: {entry.rate_per_s:8,.0f} inferences/s"
            f" in {entry.seconds:.1f} s ({notes})",
            flush=True,
        )


def _entry(task: Task, outcome: TrialOutcome) -> Entry:
    measured = outcome.measurement
    probes = measured.probes if measured else ()
    located_s = math.fsum(probe.duration_s for probe in probes if probe.purpose not in _BEFORE_LOCATING)
    start = task.task == "start"
    return Entry(
        task=task.task,
        name=task.name,
        attempt=task.attempt,
        rate_per_s=_rate_per_s(measured),
        seconds=round(outcome.seconds, 3),
        unlocated_s=round(outcome.seconds - located_s, 3),
        disturbed=sum(bool(probe.invalid) for probe in probes if probe.purpose != "warm-up"),
        key=task.candidate.key if start and task.candidate else "",
        windows=packed(probes) if start else [],
        message=outcome.message,
    )


def _rate_per_s(measured: Measurement | None) -> float:
    return round(measured.rate_per_s, 3) if measured is not None and measured.feasible else 0.0
