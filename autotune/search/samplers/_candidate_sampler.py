"""Samplers that propose each distinct candidate once, whatever Optuna sampler stands behind them.

An Optuna sampler proposes parameter values; two proposals that Triton would serve alike are one candidate,
and measuring a candidate twice is a wasted restart. `CandidateSampler` therefore canonicalises what the
sampler behind it proposes and asks again while the candidate was already tried, so that Optuna, its storage
and its dashboard only ever see canonical, distinct candidates.

Values that a space refines others by are proposed next to the best trials so far only; elsewhere the nearest coarse
ones are.

Randomness of trial n depends on the seed and n alone: a study that is stopped and resumed proposes what an
uninterrupted one would have, where the strategy goes by the study's trials alone.
"""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING, Any, NoReturn, cast

import numpy as np
from optuna.distributions import CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState

from autotune.errors import AutotuneError
from autotune.search.samplers._constraints import publish_constraints
from autotune.space import AS_GOOD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set as AbstractSet

    from optuna import Study
    from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

    from autotune.space import Candidate, JointSpace

    Proposals = Iterator[Mapping[str, Any]]
    Strategy = Callable[[Study, FrozenTrial, dict[str, BaseDistribution], np.random.Generator], Proposals]

_ENUMERABLE = 50_000  # candidates that are listed to find an untried one; larger spaces are drawn from
_DRAWS = 1000


class SpaceExhausted(AutotuneError):
    """Every candidate of the search space was tried."""


class CandidateSampler(BaseSampler):
    """Proposes canonical candidates that were not tried before; to be used with `Study.ask(space.distributions())`.

    Besides, it publishes the constraints of a told trial (see `autotune.search.samplers._constraints`).

    Args:
        strategy: Yields proposals for one trial, best first; where it yields none or only tried ones, an
            untried candidate is drawn at random.
        space: The search space.
        seed: The study's seed.
        finished: Keys of candidates that must not be proposed, besides those of the study's own trials; read
            at each proposal, so that it may grow.
        avoids: Whether a candidate must not be proposed for another reason, which may change between proposals.
    """

    def __init__(
        self,
        strategy: Strategy,
        space: JointSpace,
        seed: int,
        finished: AbstractSet[str],
        avoids: Callable[[Candidate], bool] = lambda candidate: False,
    ) -> None:
        self._strategy = strategy
        self._space = space
        self._seed = seed
        self._finished = finished
        self._avoids = avoids
        self._candidates: dict[str, Candidate] | None = None  # by key
        if space.size <= _ENUMERABLE:
            self._candidates = {candidate.key: candidate for candidate in space.candidates()}
        listed = self._candidates.items() if self._candidates and space.is_refined else ()
        self._refined = {key for key, candidate in listed if not space.is_coarse(candidate)}
        self._key_of_trial: dict[int, str] = {}
        self._next_to_trial: dict[int, frozenset[str]] = {}

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Ends the trial at its birth where nothing is left to propose.

        Raises:
            SpaceExhausted: Every candidate was tried, and the trial was not enqueued with its own values.
        """
        if self._candidates is None or "fixed_params" in trial.system_attrs:
            return
        closed = self._tried(study, trial) | (self._refined - self._around(study))
        if all(key in closed or self._avoids(candidate) for key, candidate in self._candidates.items()):
            self._exhausted(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The whole space, so that all parameters of a trial are proposed together."""
        distributions = self._space.distributions()
        return {name: distribution for name, distribution in distributions.items() if not distribution.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Values of an untried candidate that agrees with the values the trial was enqueued with.

        Raises:
            SpaceExhausted: There is none.
        """
        rng = np.random.default_rng([self._seed, trial.number])
        fixed: dict[str, Any] = trial.system_attrs.get("fixed_params", {})
        candidate = self._propose(study, trial, search_space, fixed, rng)
        params = self._space.optuna_params(candidate)
        return {name: params[name] for name in search_space}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A random value: only for parameters outside the space."""
        seed = np.random.default_rng([self._seed, trial.number]).integers(2**31)
        return RandomSampler(seed=int(seed)).sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Publishes the trial's constraints."""
        publish_constraints(study, trial)

    def _propose(
        self,
        study: Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
        fixed: Mapping[str, Any],
        rng: np.random.Generator,
    ) -> Candidate:
        tried, around = self._tried(study, trial), self._around(study)
        constants = {
            name: _only_value(distribution)
            for name, distribution in self._space.distributions().items()
            if distribution.single()
        }
        for proposal in islice(self._strategy(study, trial, search_space, rng), _ENUMERABLE):
            candidate = self._space.canonical({**constants, **proposal, **fixed})
            if not fixed and not self._is_open(candidate, around):
                candidate = self._space.coarsened(candidate)
            if candidate.key not in tried and (fixed or not self._avoids(candidate)):
                return candidate
        if not fixed:
            tried |= self._refined - around
        untried = [
            candidate
            for key, candidate in self._listed(study, trial, search_space, {**constants, **fixed}, rng)
            if key not in tried and self._agrees(candidate, fixed) and (fixed or self._is_open(candidate, around))
        ]
        if not untried:
            self._exhausted(study, trial)
        return untried[int(rng.integers(len(untried)))]

    def _listed(
        self,
        study: Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
        known: Mapping[str, Any],
        rng: np.random.Generator,
    ) -> Iterable[tuple[str, Candidate]]:
        """Every candidate by key, or random ones where the space is too large to list."""
        if self._candidates is not None:
            return self._candidates.items()
        random = RandomSampler(seed=int(rng.integers(2**31)))
        drawn: dict[str, Candidate] = {}
        for _ in range(_DRAWS):
            values = {
                name: random.sample_independent(study, trial, name, distribution)
                for name, distribution in search_space.items()
            }
            candidate = self._space.canonical({**values, **known})
            drawn[candidate.key] = candidate
        return drawn.items()

    def _agrees(self, candidate: Candidate, fixed: Mapping[str, Any]) -> bool:
        params = self._space.optuna_params(candidate) if fixed else {}
        return all(params.get(name) == value for name, value in fixed.items())

    def _around(self, study: Study) -> set[str]:
        """Keys of the refinements that may be proposed: those next to the best trials so far, within `AS_GOOD`."""
        space = self._space
        if not space.is_refined:
            return set()
        names = space.distributions().keys()
        good = [each for each in _best_so_far(study) if names <= each.params.keys()]
        for each in good:
            if each.number not in self._next_to_trial:
                refinements = space.refinements(space.canonical(each.params))
                self._next_to_trial[each.number] = frozenset(refinement.key for refinement in refinements)
        return set().union(*(self._next_to_trial[each.number] for each in good))

    def _is_open(self, candidate: Candidate, around: AbstractSet[str]) -> bool:
        """Whether a candidate may be proposed: a coarse one, or one that is next to one of the best trials.

        A size that is no choice is the predictor's, which has its own way to open refined values.
        """
        if self._avoids(candidate):
            return False
        if not self._space.is_refined or self._space.is_coarse(candidate) or candidate.key in around:
            return True
        return not self._space.is_listed(candidate)

    def _tried(self, study: Study, trial: FrozenTrial) -> set[str]:
        """Keys of the candidates tried in this study (those being tried included) and of those given as finished.

        Trials that failed in Optuna's sense were interrupted: their candidates may be proposed again.
        """
        names, keys = self._space.distributions().keys(), self._key_of_trial
        tried = set(self._finished)
        for other in _read_once(study, TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING):
            number = other.number
            if number not in keys and number != trial.number and names <= other.params.keys():
                keys[number] = self._space.canonical(other.params).key
            if number in keys:
                tried.add(keys[number])
        return tried

    def _exhausted(self, study: Study, trial: FrozenTrial) -> NoReturn:
        # Optuna has created the trial already: left RUNNING, it would look like one of a dead process.
        study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
        raise SpaceExhausted(f"every config of the search space was tried ({self._space.size})")


def _best_so_far(study: Study) -> list[FrozenTrial]:
    """The trials within `AS_GOOD` of the best feasible one; of several objectives those of the Pareto front."""
    if len(study.directions) > 1:
        return study.best_trials
    try:
        best = study.best_value
    except ValueError:  # nothing met the SLO so far
        return []
    worst = abs(best) * math.expm1(AS_GOOD)  # those that violated the SLO have far worse values
    trials = _read_once(study, TrialState.COMPLETE)
    return [each for each in trials if each.value is not None and abs(each.value - best) <= worst]


def _read_once(study: Study, *states: TrialState) -> list[FrozenTrial]:
    """The trials in these states, as the storage had them when Optuna first read them for this proposal."""
    return study._get_trials(deepcopy=False, states=states, use_cache=True)


def _only_value(distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[0]
    return cast("IntDistribution | FloatDistribution", distribution).low
