"""A recorded grid: what every config of a space sustains, in one small file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from autotune.repository import ConfigSet
from autotune.space import Candidate, JointSpace
from benchmarks.replay._subjects import Subject


@dataclass(frozen=True)
class RecordedStart:
    """One of the configs that every study begins with, profiled.

    Attributes:
        label: Which start it is, in words.
        key: Its candidate's; empty where it lies outside the space.
        rate_per_s: Inferences/s it sustains; 0 for none.
        seconds: Wall time of its trial, its profile included.
        windows: What its server counted, see `benchmarks.replay._windows`.
    """

    label: str
    key: str
    rate_per_s: float
    seconds: float
    windows: list[dict[str, Any]]


@dataclass(frozen=True)
class Grid:
    """What every config of a space sustains.

    Attributes:
        subject: The model and its ceiling.
        space: What was searched.
        space_text: The same as YAML, before it was restricted to the models.
        probe_s: Length of a probe in the recording.
        recorded_on: The date of the recording.
        environment: The machine in words.
        noise: Standard deviation of the logarithm of one config's rate from one measurement to the next: of the
            repeats, else of the reference; None where there are too few.
        unlocated_s: Median seconds of a trial until its rate is looked for: start, warm-up and screen.
        reference: The rates of the reference config in the order of their measurement.
        starts: What studies begin with.
        rates_per_s: Inferences/s of each candidate in the space's order; 0 if it violates the ceiling at every rate.
        seconds: Wall time of each candidate's trial.
        measured: How often configs were measured whose rate is the median of several measurements, by their place in
            the space.
        repeats: What trials of the best config found that were as a study's, one right after the other.
        error: Standard deviation of the logarithm of a recorded rate, from the configs that were measured several
            times; None where it is not known.
    """

    subject: Subject
    space: JointSpace
    space_text: str
    probe_s: float
    recorded_on: str
    environment: str
    noise: float | None
    unlocated_s: float
    reference: list[float]
    starts: list[RecordedStart]
    rates_per_s: list[float]
    seconds: list[float]
    measured: dict[int, int] = field(default_factory=dict)
    repeats: list[float] = field(default_factory=list)
    error: float | None = None

    def __post_init__(self) -> None:
        if not len(self.rates_per_s) == len(self.seconds) == self.space.size:
            raise ValueError(f"{self.subject.name}: {len(self.rates_per_s)} rates for {self.space.size} configs")

    @property
    def optimum_per_s(self) -> float:
        """The rate of the best config."""
        return max(self.rates_per_s)

    @cached_property
    def index(self) -> dict[str, int]:
        """Key of a candidate to its place."""
        return {candidate.key: number for number, candidate in enumerate(self.space.candidates())}

    def configs_of(self, candidate: Candidate) -> ConfigSet:
        """What is served of a candidate."""
        return self.space.apply(candidate, self.subject.base)

    def start(self, candidate: Candidate | None) -> RecordedStart | None:
        """The profiled trial of this config; None where it is not one that studies begin with."""
        key = candidate.key if candidate else ""
        return next((each for each in self.starts if each.key == key), None)

    def rate_of(self, candidate: Candidate | None) -> float:
        """Inferences/s that a config sustains; None stands for a baseline outside the space.

        Raises:
            KeyError: No such config was recorded.
        """
        if candidate is not None:
            return self.rates_per_s[self.index[candidate.key]]
        own = self.start(None)
        if own is None:
            raise KeyError(f"{self.subject.name}: the baseline was not recorded")
        return own.rate_per_s

    def seconds_of(self, candidate: Candidate) -> float:
        """Wall time of the trial of a config."""
        return self.seconds[self.index[candidate.key]]

    def write(self, path: Path) -> None:
        """Writes it as JSON, a window or a start a line."""
        subject = self.subject
        head = {
            **subject.described(),
            "recorded_on": self.recorded_on,
            "environment": self.environment,
            "probe_s": self.probe_s,
            "noise": self.noise,
            "unlocated_s": self.unlocated_s,
            "space_digest": self.space.digest,
            "space": self.space_text,
            "reference": self.reference,
            "repeats": self.repeats,
            "measured": self.measured,
            "error": self.error,
            "starts": [vars(each) for each in self.starts],
            "rates_per_s": self.rates_per_s,
            "seconds": self.seconds,
        }
        lines = [f"{json.dumps(name)}: {json.dumps(value, separators=(',', ':'))}" for name, value in head.items()]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n")

    @classmethod
    def read(cls, path: Path) -> Grid:
        """A grid that `write` wrote.

        Raises:
            ValueError: It is of another space than the one it names, or incomplete.
        """
        kept = json.loads(path.read_text())
        subject = Subject.of(kept)
        space = subject.space_of(kept["space"], str(path))
        if space.digest != kept["space_digest"]:
            raise ValueError(f"{path}: the space that it was recorded on is read differently now; record it again")
        return cls(
            subject=subject,
            space=space,
            space_text=kept["space"],
            starts=[RecordedStart(**each) for each in kept["starts"]],
            measured={int(place): times for place, times in kept.get("measured", {}).items()},
            repeats=kept.get("repeats", []),
            error=kept.get("error"),
            **{
                name: kept[name]
                for name in (
                    "probe_s",
                    "recorded_on",
                    "environment",
                    "noise",
                    "unlocated_s",
                    "reference",
                    "rates_per_s",
                    "seconds",
                )
            },
        )
