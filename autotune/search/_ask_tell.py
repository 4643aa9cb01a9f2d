"""Optuna's side of a study: asks for configs, tells outcomes, closes what a dead process left open."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import optuna
from optuna.trial import TrialState

from autotune.search._attributes import user_attributes
from autotune.search._score import constraint_values, scores
from autotune.search.samplers import CONSTRAINTS_ATTR

if TYPE_CHECKING:
    from autotune.objective import Objective
    from autotune.outcome import TrialOutcome
    from autotune.space import Candidate, JointSpace
    from autotune.store import TrialRecord


class AskTell:
    """An Optuna study over candidates.

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
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # progress is the observer's to show
        self._study = optuna.create_study(
            study_name=name,
            storage=storage,
            directions=["maximize" if each.maximise else "minimize" for each in objective.values],
            sampler=sampler,
            load_if_exists=True,
        )
        with warnings.catch_warnings():  # naming the metric for the dashboard is experimental in Optuna
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._study.set_metric_names([each.metric for each in objective.values])

    def ask(self) -> tuple[optuna.Trial, Candidate]:
        """The candidate that the sampler proposes.

        Raises:
            SpaceExhausted: Every candidate was tried.
        """
        asked = self._study.ask(self._space.distributions())
        return asked, self._space.canonical(asked.params)

    def ask_for(self, candidate: Candidate | None) -> optuna.Trial:
        """A trial of this candidate; of none that the space has where it is None."""
        if candidate is None:
            return self._study.ask()
        self._study.enqueue_trial(self._space.optuna_params(candidate))
        return self._study.ask(self._space.distributions())

    def tell(self, asked: optuna.Trial, label: str, outcome: TrialOutcome) -> None:
        """Tells how a trial ended."""
        for name, value in user_attributes(label, outcome).items():
            asked.set_user_attr(name, value)
        asked.set_user_attr(CONSTRAINTS_ATTR, list(constraint_values(outcome, self._objective)))
        self._study.tell(asked, scores(outcome, self._objective))

    def abandon(self, asked: optuna.Trial) -> None:
        """Closes a trial that was not run to its end; its candidate may be proposed again."""
        self._study.tell(asked, state=TrialState.FAIL)

    def discard(self) -> None:
        """Deletes the study: it holds no finished trial, and the next run numbers its trials from 0."""
        optuna.delete_study(study_name=self._study.study_name, storage=self._study._storage)

    def close_stale(self, stored: Sequence[TrialRecord]) -> None:
        """Closes trials that an interruption left running, with their outcome where it was stored already.

        Ask/tell has no heartbeat: without this they would look like trials that still run.
        """
        records = {record.number: record for record in stored}
        for stale in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            trial = optuna.Trial(self._study, stale._trial_id)
            record = records.get(stale.number)
            if record is not None:
                self.tell(trial, record.label, record.outcome)
            else:
                self.abandon(trial)
        for enqueued in self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            # Enqueued but never asked for; whoever needs it enqueues it again.
            self._study._storage.set_trial_state_values(enqueued._trial_id, TrialState.FAIL)
