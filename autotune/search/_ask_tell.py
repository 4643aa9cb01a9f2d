"""Optuna's side of a study: asks for configs, tells outcomes, closes what a dead process left open.

Only the coordinator changes a study, so samplers read a copy of its trials in memory. The database gets each trial
twice: when it starts and when it ends.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import optuna
from optuna.study import StudyDirection
from optuna.trial import TrialState

from autotune.search._attributes import user_attributes
from autotune.search._score import constraint_values, scores
from autotune.search.samplers import CONSTRAINTS_ATTR

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from autotune.objective import Objective
    from autotune.outcome import TrialOutcome
    from autotune.space import Candidate, JointSpace
    from autotune.store import TrialRecord


class AskTell:
    """An Optuna study over candidates; trials go by their number.

    Args:
        name: The study's name; one of that name is gone on with.
        storage: Where Optuna keeps it.
        space: The search space.
        objective: What is looked for.
        sampler: Proposes candidates.
    """

    def __init__(
        self,
        name: str,
        storage: optuna.storages.RDBStorage,
        space: JointSpace,
        objective: Objective,
        sampler: optuna.samplers.BaseSampler,
    ) -> None:
        self._space = space
        self._objective = objective
        self._name = name
        self._storage = storage
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # progress is the observer's to show
        directions = [
            StudyDirection.MAXIMIZE if each.maximise else StudyDirection.MINIMIZE for each in objective.values
        ]
        stored = optuna.create_study(study_name=name, storage=storage, directions=directions, load_if_exists=True)
        with warnings.catch_warnings():  # naming the metric for the dashboard is experimental in Optuna
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            stored.set_metric_names([each.metric for each in objective.values])
        self._stored_id = storage.get_study_id_from_name(name)
        self._memory = optuna.storages.InMemoryStorage()
        self._study = optuna.create_study(storage=self._memory, directions=directions, sampler=sampler)
        self._ids: list[int] = []  # of the stored trials, by number
        for trial in stored.get_trials(deepcopy=False):
            self._study.add_trial(trial)
            self._ids.append(trial._trial_id)

    def ask(self) -> tuple[int, Candidate]:
        """The number of a new trial, and the candidate that the sampler proposes for it.

        Raises:
            SpaceExhausted: Every candidate was tried.
        """
        try:
            asked = self._study.ask(self._space.distributions())
        finally:
            self._store_new()
        return asked.number, self._space.canonical(asked.params)

    def ask_for(self, candidate: Candidate | None) -> int:
        """The number of a new trial of this candidate; of none that the space has where it is None."""
        if candidate is None:
            asked = self._study.ask()
        else:
            self._study.enqueue_trial(self._space.optuna_params(candidate))
            asked = self._study.ask(self._space.distributions())
        self._store_new()
        return asked.number

    def tell(self, number: int, label: str, outcome: TrialOutcome) -> None:
        """Tells how a trial ended."""
        trial = self._trial(number)
        if not trial.state.is_finished():
            constraints = list(constraint_values(outcome, self._objective))
            for name, value in {**user_attributes(label, outcome), CONSTRAINTS_ATTR: constraints}.items():
                self._memory.set_trial_user_attr(trial._trial_id, name, value)
            self._study.tell(number, scores(outcome, self._objective))
        self._store_end(number)

    def abandon(self, number: int) -> None:
        """Closes a trial that was not run to its end; its candidate may be proposed again."""
        trial = self._trial(number)
        if not trial.state.is_finished():
            self._memory.set_trial_state_values(trial._trial_id, TrialState.FAIL)
        self._store_end(number)

    def discard(self) -> None:
        """Deletes the study: it holds no finished trial, and the next run numbers its trials from 0."""
        optuna.delete_study(study_name=self._name, storage=self._storage)

    def close_stale(self, stored: Sequence[TrialRecord]) -> None:
        """Closes trials that an interruption left running, with their outcome where it was stored already.

        Ask/tell has no heartbeat: without this they would look like trials that still run. One that was enqueued but
        never asked for is closed as well: whoever needs it enqueues it again.
        """
        # The latest one may be in the database although its identifier never came back.
        self._ids = [each._trial_id for each in self._storage.get_all_trials(self._stored_id, deepcopy=False)]
        self._store_new()
        records = {record.number: record for record in stored}
        unfinished = (TrialState.RUNNING, TrialState.WAITING)
        for stale in self._storage.get_all_trials(self._stored_id, deepcopy=False, states=unfinished):
            record = records.get(stale.number)
            if record is not None and stale.state is TrialState.RUNNING:
                self.tell(stale.number, record.label, record.outcome)
            else:
                self.abandon(stale.number)

    def _trial(self, number: int) -> FrozenTrial:
        return self._study.get_trials(deepcopy=False)[number]

    def _store_new(self) -> None:
        """Adds the trials that the database lacks, each with its parameters in one transaction."""
        for trial in self._study.get_trials(deepcopy=False)[len(self._ids) :]:
            self._ids.append(self._storage.create_new_trial(self._stored_id, template_trial=trial))

    def _store_end(self, number: int) -> None:
        """Stores what a trial ended with; its state comes last."""
        trial, trial_id = self._trial(number), self._ids[number]
        for name, value in trial.user_attrs.items():
            self._storage.set_trial_user_attr(trial_id, name, value)
        for name, value in trial.system_attrs.items():
            self._storage.set_trial_system_attr(trial_id, name, value)
        self._storage.set_trial_state_values(trial_id, trial.state, trial.values)
