"""What a study tells whoever watches it."""

from __future__ import annotations

from typing import Protocol

from autotune.measurement import Probe
from autotune.objective import Objective
from autotune.outcome import TrialOutcome
from autotune.space import Candidate


class StudyObserver(Protocol):
    """Hooks before, during and after trials; showing things never touches the coordinator."""

    def note(self, text: str) -> None:
        """Something a person should know, one line."""

    def study_started(
        self, name: str, trials_done: int, trials_wanted: int | None, objective: Objective | None = None
    ) -> None: ...

    def estimated(self, left_s: float) -> None:
        """How many seconds the rest takes at most, finals included, as far as is known."""

    def trial_started(self, number: int, label: str, candidate: Candidate | None) -> None: ...

    def server_ready(self, number: int, startup_s: float) -> None: ...

    def probed(self, number: int, probe: Probe) -> None: ...

    def trial_finished(self, number: int, outcome: TrialOutcome, best: bool) -> None: ...

    def run_finished(self, label: str, outcome: TrialOutcome) -> None:
        """A config was measured again, after the search."""


class SilentObserver:
    """Ignores everything."""

    def note(self, text: str) -> None: ...

    def study_started(
        self, name: str, trials_done: int, trials_wanted: int | None, objective: Objective | None = None
    ) -> None: ...

    def estimated(self, left_s: float) -> None: ...

    def trial_started(self, number: int, label: str, candidate: Candidate | None) -> None: ...

    def server_ready(self, number: int, startup_s: float) -> None: ...

    def probed(self, number: int, probe: Probe) -> None: ...

    def trial_finished(self, number: int, outcome: TrialOutcome, best: bool) -> None: ...

    def run_finished(self, label: str, outcome: TrialOutcome) -> None: ...
