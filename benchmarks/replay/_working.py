"""The working file of a recording: one JSON line for each measurement, appended, so that it can be interrupted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autotune.space import JointSpace
from benchmarks.replay._subjects import Subject


@dataclass(frozen=True)
class Entry:
    """One measurement.

    Attributes:
        task: What it was measured for: ``start``, ``config``, ``reference`` or ``again``.
        name: Which of those: a label, the candidate's place in the space, or a number.
        rate_per_s: Inferences/s located; 0 where none keeps the ceiling.
        seconds: Wall time of the trial.
        unlocated_s: Those before its rate was looked for.
        disturbed: Windows in which client or machine were disturbed.
        key: Of a start, its candidate's key; empty outside the space.
        windows: Of a start, what its server counted.
        message: Why it failed; empty where it did not.
        attempt: Of a config that is measured again, the how manieth time.
    """

    task: str
    name: str
    rate_per_s: float
    seconds: float
    unlocated_s: float
    disturbed: int = 0
    key: str = ""
    windows: list[dict[str, Any]] = field(default_factory=list)
    message: str = ""
    attempt: int = 0

    @property
    def identity(self) -> tuple[str, str, int]:
        """What is measured once."""
        return self.task, self.name, self.attempt


@dataclass
class WorkingFile:
    """Appends entries and reads them back.

    Attributes:
        path: The file.
        head: What is recorded, and how.
        entries: In the order of their measurement.
    """

    path: Path
    head: Mapping[str, Any]
    entries: list[Entry]

    @classmethod
    def open(cls, path: Path, head: Mapping[str, Any]) -> WorkingFile:
        """Goes on with the file, or begins it.

        Raises:
            SystemExit: It is of another recording.
        """
        wanted = json.loads(json.dumps(head))
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(wanted) + "\n")
            return cls(path, wanted, [])
        found = cls.read(path)
        differing = [name for name in wanted if name != "recorded_on" and found.head.get(name) != wanted[name]]
        if differing:
            raise SystemExit(f"--working: {path} was begun with another {differing[0]}; name another file")
        return found

    @classmethod
    def read(cls, path: Path) -> WorkingFile:
        """What was recorded so far; a line that an interruption cut short is cut off.

        Raises:
            SystemExit: There is no such file, or it is not one.
        """
        try:
            lines = path.read_bytes().splitlines(keepends=True)
        except OSError as error:
            raise SystemExit(f"--working: {path}: {error.strerror}; record something first") from None
        if lines and not lines[-1].endswith(b"\n"):
            os.truncate(path, sum(map(len, lines[:-1])))
            lines.pop()
        if not lines:
            raise SystemExit(f"--working: {path} is empty; remove it")
        return cls(path, json.loads(lines[0]), [Entry(**json.loads(line)) for line in lines[1:]])

    def append(self, entry: Entry) -> None:
        """Adds a measurement; on disk before it returns."""
        with self.path.open("a") as file:
            file.write(json.dumps(vars(entry)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.entries.append(entry)

    @property
    def done(self) -> set[tuple[str, str, int]]:
        """What need not be measured."""
        return {entry.identity for entry in self.entries}

    @property
    def subject(self) -> Subject:
        """The model and its ceiling."""
        return Subject.of(self.head)

    @property
    def space(self) -> JointSpace:
        """What is recorded."""
        return self.subject.space_of(self.head["space"], "space")

    def of(self, task: str) -> Iterator[tuple[int, Entry]]:
        """The entries of one kind, with their places in the order of all."""
        return ((place, entry) for place, entry in enumerate(self.entries) if entry.task == task)
