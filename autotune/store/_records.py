"""What is read back from the store."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime

    from autotune.environment import Environment
    from autotune.measurement import Probe
    from autotune.objective import Objective
    from autotune.outcome import TrialOutcome
    from autotune.prediction import Explanation

RunRole = Literal["trial", "final", "certificate", "again", "measure"]
"""A trial that Optuna numbered; a round of a final comparison; its certificate; a trial's config that was served again
after others had failed; a measurement outside any study.

Databases of earlier versions also hold ``doubted`` runs, which nothing reads."""


Windows = Literal["all", "deciding"]
"""Which windows of a trial are read: all, or only the one that decided, without its histogram, which is far quicker."""


@dataclass(frozen=True)
class WindowCount:
    """The windows of a study that were run for one purpose.

    Attributes:
        purpose: Why they were run, see `autotune.measurement.Purpose`.
        windows: How many.
        disturbed: Those that violated a ceiling while client or machine were disturbed, which says nothing.
        requests: Requests in all of them.
        seconds: Their lengths together.
    """

    purpose: str
    windows: int
    disturbed: int
    requests: int
    seconds: float


@dataclass(frozen=True)
class StudyOutline:
    """A study in one line.

    Attributes:
        study: Its name.
        model: The model's name.
        objective: What it looks for.
        trials: Finished trials.
        best: The delivered config's value by its trial: inferences/s, or seconds of latency; None without one.
        gain: That value over the baseline's, by the final comparison; None if unknown.
    """

    study: str
    model: str
    objective: Objective
    trials: int
    best: float | None
    gain: float | None


@dataclass(frozen=True)
class StudyRecord:
    """One study.

    Attributes:
        id: Its row.
        name: Its name, also of the Optuna study.
        created_at: When it was begun, UTC.
        model: The model's name.
        objective: What it looks for.
        space_digest: A digest of the effective search space.
        space_text: The search space as written.
        base_config: The person's ``config.pbtxt`` that candidates change.
        conditions: How configs are loaded and measured, in words.
        environment: Where it was begun.
        environment_id: The row of the environment of *this* session; new trials are filed under it.
        explanation: Why its winner won, as of its last run; None where no run came to its end.
        files: The model's files as the study began, a line each; empty in databases of earlier versions.
        repository: The model repository's directory, as of the last run; empty in databases of earlier versions.
    """

    id: int
    name: str
    created_at: datetime
    model: str
    objective: Objective
    space_digest: str
    space_text: str
    base_config: str
    conditions: str
    environment: Environment
    environment_id: int
    explanation: Explanation | None = None
    files: str = ""
    repository: str = ""


@dataclass(frozen=True)
class TrialRecord:
    """One config on one fresh server.

    Attributes:
        id: Its row.
        number: Optuna's trial number; None outside the trials of a study.
        label: Whose config it is, in words.
        outcome: How it ended.
        role: Whether it is a trial of a study or a run of its own.
        model: The model's name.
        finished_at: When it was stored, UTC.
        environment: Where it ran.
        probes: Every probe, those of a run without a `Measurement` included.
        trial_id: The row of the trial whose config a run measures; None for trials and measurements of their own.
        round: The round of the final comparison, from 1; None for everything else.
    """

    id: int
    number: int | None
    label: str
    outcome: TrialOutcome
    role: RunRole
    model: str
    finished_at: datetime
    environment: Environment
    probes: tuple[Probe, ...] = field(default=(), repr=False)
    trial_id: int | None = None
    round: int | None = None

    def slim(self) -> TrialRecord:
        """The same with slim windows, see `autotune.measurement.Probe.slim`."""
        measured = self.outcome.measurement
        if measured is None:
            return replace(self, probes=tuple(each.slim() for each in self.probes))
        measured = measured.slim()
        return replace(self, outcome=replace(self.outcome, measurement=measured), probes=measured.probes)
