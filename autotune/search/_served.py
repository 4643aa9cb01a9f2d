"""Configs that are served otherwise than asked: said once, and what is served alike is measured once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from autotune.outcome import OutcomeKind
from autotune.repository import ConfigSet, ModelConfig, describe_changes, is_known_alike, with_raised_batch

if TYPE_CHECKING:
    from autotune.outcome import TrialOutcome
    from autotune.repository import Difference, ServedSet
    from autotune.search._observer import StudyObserver
    from autotune.space import JointSpace
    from autotune.store import TrialRecord

_MEASURED = (OutcomeKind.FEASIBLE, OutcomeKind.INFEASIBLE, OutcomeKind.PRUNED)


class ChangeNotes:
    """Says once who changes which field of the configs that are served.

    Args:
        observer: Who gets the notes.
    """

    def __init__(self, observer: StudyObserver) -> None:
        self._observer = observer
        self._said: set[tuple[str, str, str]] = set()

    def __call__(self, served: ServedSet) -> None:
        """Says what these configs show for the first time."""
        for model in served.models:
            new = [each for each in model.changes if _what(each) not in self._said]
            self._said.update(_what(each) for each in new)
            if text := describe_changes(model.config, new):
                self._observer.note(f"{model.config.name}: {text}; trials are recorded as served")


def _what(change: Difference) -> tuple[str, str, str]:
    return change.model, change.path, repr(change.served)


def as_served(outcome: TrialOutcome, space: JointSpace) -> TrialOutcome:
    """The outcome with the candidate that was served in place of the asked one; None if it lies outside the space."""
    values = outcome.served_values
    return outcome if values is None else replace(outcome, candidate=values if values in space else None)


def measured_alike(configs: ConfigSet, trials: Sequence[TrialRecord]) -> TrialRecord | None:
    """The first measured trial that is known to be served like ``configs``, as `is_known_alike`; None without one."""
    served = [trial.outcome for trial in trials if trial.outcome.served_digest]
    differences = [each for outcome in served for each in outcome.differences]
    raised = ConfigSet(tuple(with_raised_batch(config, differences, _sizes(config.name, served)) for config in configs))
    return next((trial for trial in trials if _measured(trial) and _is_alike(raised, trial.outcome)), None)


def _sizes(model: str, outcomes: Sequence[TrialOutcome]) -> set[int]:
    """Each ``max_batch_size`` of a model that was served."""
    return {_config(outcome.configs[model]).max_batch_size for outcome in outcomes if model in outcome.configs}


def _measured(trial: TrialRecord) -> bool:
    return bool(trial.outcome.served_digest) and trial.outcome.kind in _MEASURED


def _is_alike(configs: ConfigSet, outcome: TrialOutcome) -> bool:
    return all(
        config.name in outcome.configs
        and is_known_alike(
            config,
            _config(outcome.configs[config.name]),
            [each for each in outcome.differences if each.model == config.name],
        )
        for config in configs
    )


@lru_cache
def _config(text: str) -> ModelConfig:
    """A trial's config, parsed once."""
    return ModelConfig.parse(text, "trial")
