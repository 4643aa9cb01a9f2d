"""Optuna's TPE sampler at a cost that does not grow with the trials, and with more than one proposal from each fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.samplers import TPESampler
from optuna.samplers._tpe.sampler import _split_trials, default_gamma

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Set as AbstractSet

    from numpy.typing import NDArray
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

_LEARNT = 250
"""Trials that TPE learns from. It takes a tenth for good ones, of one objective 25 at most (`default_gamma`)."""


class InSpace:
    """A study without the trials that lie outside the space, such as a person's own config.

    Such a trial has no parameters, yet it would take one of the few places of the good trials that a TPE
    sampler learns from.

    Args:
        study: The study.
        names: The parameters of the space.
        dropped: Numbers of trials that are left out too. With more than `_LEARNT` left, the earliest are added to it,
            but none that TPE takes for good. None keeps all.
    """

    def __init__(self, study: Study, names: AbstractSet[str], dropped: set[int] | None = None) -> None:
        self._study = study
        self._names = names
        self._dropped = dropped

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def _get_trials(self, *args: Any, **kwargs: Any) -> list[FrozenTrial]:
        dropped = self._dropped or ()
        every = self._study._get_trials(*args, **kwargs)
        trials = [trial for trial in every if trial.number not in dropped and self._names <= trial.params.keys()]
        finished = [trial for trial in trials if trial.state.is_finished()]
        if self._dropped is None or len(finished) <= _LEARNT:
            return trials
        _, others = _split_trials(self._study, finished, default_gamma(_LEARNT))
        self._dropped.update(trial.number for trial in others[: len(finished) - _LEARNT])
        return [trial for trial in trials if trial.number not in self._dropped]


class RankedTPE(TPESampler):
    """Gives all candidates that one fit draws, in the order of the acquisition function.

    Optuna gives the best one. Asked again while that was tried already, it would fit the same trials again.
    """

    def __init__(self, startup_trials: int, seed: int, *, constant_liar: bool) -> None:
        super().__init__(n_startup_trials=startup_trials, multivariate=True, constant_liar=constant_liar, seed=seed)
        self._drawn: dict[str, NDArray[Any]] = {}
        self._order: NDArray[np.intp] = np.zeros(0, np.intp)

    def ranked(
        self, study: Any, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> Iterator[Mapping[str, Any]]:
        """Proposals, best first; none while it still starts up."""
        self._sample_relative(study, trial, search_space)
        for place in self._order:
            yield {
                name: distribution.to_external_repr(self._drawn[name][place].item())
                for name, distribution in search_space.items()
            }

    def _compute_acquisition_func(self, samples: dict[str, NDArray[Any]], *estimators: Any) -> NDArray[Any]:
        found = super()._compute_acquisition_func(samples, *estimators)
        self._drawn, self._order = samples, np.argsort(-found, kind="stable")
        return found
