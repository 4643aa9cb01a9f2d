"""Optuna's storage as the dashboard reads it: with our notes, artifacts and values.

It reads through: what is written goes to Optuna's tables as it is, and what a person wrote there comes first.
"""

from __future__ import annotations

import copy
from collections.abc import Container, ItemsView, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from autotune.report.dashboard._shown import ShownStudy

if TYPE_CHECKING:
    from collections.abc import Callable

    from optuna.distributions import BaseDistribution
    from optuna.study import StudyDirection
    from optuna.study._frozen import FrozenStudy

    from autotune.report.dashboard._artifacts import Artifact
    from autotune.store import Store, StudyRecord

_NOTE_VERSION = "note_ver"


class ShownStorage(BaseStorage):
    """Optuna's tables of a database, and ours.

    Args:
        store: The database.
        results: The results directory.
    """

    def __init__(self, store: Store, results: Path) -> None:
        self._stored = store.optuna_storage()
        self._store = store
        self._results = results
        self._known: dict[int, tuple[tuple[StudyRecord, int], ShownStudy]] = {}
        self._study_of_trial: dict[int, int] = {}

    def find_artifact(self, artifact_id: str) -> Artifact | None:
        """An artifact of a study that was looked at; None if there is none of that identifier."""
        every = (shown.artifacts.get(artifact_id) for _, shown in self._known.values())
        return next((artifact for artifact in every if artifact is not None), None)

    def get_all_studies(self) -> list[FrozenStudy]:
        """All studies; our attributes of each are read only where they are asked for."""
        studies = []
        for stored in self._stored.get_all_studies():
            study = copy.copy(stored)
            study.system_attrs = _Attributes(stored.system_attrs, lambda stored=stored: self._ours(stored._study_id))  # type: ignore[misc]
            studies.append(study)
        return sorted(studies, key=lambda each: each._study_id)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return _merged(self._stored.get_study_system_attrs(study_id), self._ours(study_id))

    def get_trial(self, trial_id: int) -> FrozenTrial:
        stored = self._stored.get_trial(trial_id)
        if trial_id not in self._study_of_trial:
            for study in self._stored.get_all_studies():
                self.get_all_trials(study._study_id, deepcopy=False)
        shown = self._shown(self._study_of_trial[trial_id]) if trial_id in self._study_of_trial else None
        return shown.trial(stored) if shown is not None else stored

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        stored = self._stored.get_all_trials(study_id, deepcopy=deepcopy)
        self._study_of_trial.update((trial._trial_id, study_id) for trial in stored)
        shown = self._shown(study_id)
        trials = [shown.trial(trial) for trial in stored] if shown is not None else stored
        return trials if states is None else [trial for trial in trials if trial.state in states]

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        shown = self._shown(study_id)
        number = shown.best_number if shown is not None else None
        every = self.get_all_trials(study_id, deepcopy=False)
        best = next((trial for trial in every if trial.number == number), None)
        return best if best is not None else super().get_best_trial(study_id)

    def _shown(self, study_id: int) -> ShownStudy | None:
        """A study of ours as it is stored now; None for one that was created in the dashboard."""
        record = self._store.study(self._stored.get_study_name_from_id(study_id))
        if record is None:
            return None
        state = (record, self._store.count_rows(record))
        if study_id not in self._known or self._known[study_id][0] != state:
            self._known[study_id] = state, ShownStudy(self._store, record, self._results)
        return self._known[study_id][1]

    def _ours(self, study_id: int) -> dict[str, Any]:
        shown = self._shown(study_id)
        if shown is None:
            return {}
        trials = self._stored.get_all_trials(study_id, deepcopy=False)
        return shown.attributes({trial.number: trial._trial_id for trial in trials})

    # What follows is Optuna's own.

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        return self._stored.create_new_study(directions, study_name)

    def delete_study(self, study_id: int) -> None:
        self._known.pop(study_id, None)
        self._stored.delete_study(study_id)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        self._stored.set_study_user_attr(study_id, key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self._stored.set_study_system_attr(study_id, key, value)

    def get_study_id_from_name(self, study_name: str) -> int:
        return self._stored.get_study_id_from_name(study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        return self._stored.get_study_name_from_id(study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return self._stored.get_study_directions(study_id)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return self._stored.get_study_user_attrs(study_id)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        return self._stored.create_new_trial(study_id, template_trial)

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        self._stored.set_trial_param(trial_id, param_name, param_value_internal, distribution)

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        return self._stored.set_trial_state_values(trial_id, state, values)

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        self._stored.set_trial_intermediate_value(trial_id, step, intermediate_value)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._stored.set_trial_user_attr(trial_id, key, value)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._stored.set_trial_system_attr(trial_id, key, value)


class _Attributes(dict[str, Any]):
    """System attributes of a study in a list of all studies: ours are made only when all are asked for."""

    def __init__(self, stored: dict[str, Any], ours: Callable[[], dict[str, Any]]) -> None:
        super().__init__(stored)
        self._ours: Callable[[], dict[str, Any]] | None = ours

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        self._complete()
        return super().items()

    def __iter__(self) -> Iterator[str]:
        self._complete()
        return super().__iter__()

    def __contains__(self, key: object) -> bool:
        self._complete()
        return super().__contains__(key)

    def __getitem__(self, key: str) -> Any:
        self._complete()
        return super().__getitem__(key)

    def _complete(self) -> None:
        if self._ours is not None:
            ours, self._ours = self._ours(), None
            self.update(_merged(dict(super().items()), ours))


def _merged(stored: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """All attributes; of a note that a person saved none of ours."""
    written = tuple(key.removesuffix(_NOTE_VERSION) + "note_" for key in stored if key.endswith(_NOTE_VERSION))
    return {**{key: value for key, value in ours.items() if not key.startswith(written)}, **stored}
