"""What the dashboard shows of one study beyond Optuna's tables."""

from __future__ import annotations

import copy
import math
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.trial import FrozenTrial, TrialState

from autotune.measurement import value_of
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.report.dashboard._artifacts import Artifact
from autotune.report.dashboard._notes import study_note, trial_note
from autotune.report.dashboard._plots import plot_attributes
from autotune.search import OUTCOME, stored_result, user_attributes

if TYPE_CHECKING:
    from autotune.objective import Value
    from autotune.store import Store, StudyRecord

_NOTE_LENGTH = 2045  # of a part, as in optuna_dashboard.save_note


class ShownStudy:
    """A study as it is stored at this moment.

    Args:
        store: The database.
        record: The study.
        results: The results directory.
    """

    def __init__(self, store: Store, record: StudyRecord, results: Path) -> None:
        self._store = store
        self._record = record
        self._results = results
        self._result = stored_result(store, record.name, results, windows="deciding")
        self._trials = {trial.number: trial for trial in self._result.trials if trial.number is not None}

    @property
    def best_number(self) -> int | None:
        """The trial whose config is delivered; the nearest miss if no config meets the SLO."""
        best = self._result.best or self._result.nearest
        return best.number if best is not None else None

    def trial(self, stored: FrozenTrial) -> FrozenTrial:
        """A trial with its measured value, Optuna's own words for how it ended, and its artifacts.

        Samplers got the worst value of each trial that violated the SLO, which would squash every plot.
        """
        kind = stored.user_attrs.get(OUTCOME)
        if stored.state is not TrialState.COMPLETE or kind is None:
            return stored
        record = self._trials.get(stored.number)
        outcome = record.outcome if record is not None else None
        shown = copy.copy(stored)
        ended = OutcomeKind(kind)
        if ended is not OutcomeKind.FEASIBLE:
            seen = outcome if ended is OutcomeKind.INFEASIBLE else None
            values = [
                value for each in self._result.objective.values if (value := _missing_value(seen, each)) is not None
            ]
            shown.values = values if len(values) == len(self._result.objective.values) else None
            if shown.values is None:
                pruned = ended in (OutcomeKind.PRUNED, OutcomeKind.INFEASIBLE)
                shown.state = TrialState.PRUNED if pruned else TrialState.FAIL
        if record is not None:
            shown.user_attrs = {**user_attributes(record.label, record.outcome), **stored.user_attrs}
            mine = dict(each.attribute for each in self._of_trial(stored.number))
            shown.system_attrs = {**mine, **stored.system_attrs}
        return shown

    def attributes(self, trial_ids: dict[int, int]) -> dict[str, Any]:
        """System attributes of the study: notes by `trial_ids` (Optuna's, by number), report and plots."""
        found: dict[str, Any] = dict([self.report.attribute]) | plot_attributes(self._record, self._result)
        found |= _note_attributes("dashboard:", study_note(self._record, self._result))
        for number, trial in self._trials.items():
            if number in trial_ids:
                found |= _note_attributes(f"dashboard:{trial_ids[number]}:", trial_note(trial, self._result))
        return found

    @cached_property
    def artifacts(self) -> dict[str, Artifact]:
        """Every artifact by its identifier."""
        every = [self.report, *(artifact for number in self._trials for artifact in self._of_trial(number))]
        return {each.id: each for each in every}

    @cached_property
    def report(self) -> Artifact:
        """The study's report, written when it is asked for."""
        return Artifact(self._record.name, "report.html", "text/html", self._written_report)

    def _written_report(self) -> bytes:
        from autotune.report.document import build, read_source
        from autotune.report.document._html import html_report

        return html_report(build(read_source(self._store, self._record.name, self._results))).encode()

    def _of_trial(self, number: int) -> list[Artifact]:
        """The configs that were served, and the server's log if it is still there."""
        outcome, owner = self._trials[number].outcome, f"{self._record.name}/{number}"
        configs = outcome.configs.items()
        found = [
            Artifact(owner, f"{model}.config.pbtxt" if len(configs) > 1 else "config.pbtxt", "text/plain", text.encode)
            for model, text in configs
        ]
        log = outcome.log_path
        if log is not None and log.suffix == ".log" and log.is_file():
            found.append(Artifact(owner, log.name, "text/plain", log.read_bytes))
        return found


def _missing_value(outcome: TrialOutcome | None, value: Value) -> float | None:
    """The number of a value at the load at which an infeasible config was nearest to the SLO; None if there is none."""
    measured = outcome.measurement if outcome is not None else None
    if measured is None or measured.decided_by is None:
        return None
    if value.maximise:
        return measured.decided_by.asked_per_s
    number = value_of(measured, value)
    return number if math.isfinite(number) else None


def _note_attributes(prefix: str, body: str) -> dict[str, Any]:
    """A note as `optuna_dashboard.save_note` would store it; what a person saves there comes after version 1."""
    parts = range(math.ceil(len(body) / _NOTE_LENGTH))
    texts = {f"{prefix}note_str:{n}": body[n * _NOTE_LENGTH : (n + 1) * _NOTE_LENGTH] for n in parts}
    return {f"{prefix}note_ver": 1, **texts}
