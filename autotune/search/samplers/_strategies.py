"""What ``--sampler`` may name, and how each proposes candidates."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.samplers import BaseSampler, GPSampler

from autotune.errors import UsageError
from autotune.search.samplers._candidate_sampler import CandidateSampler
from autotune.search.samplers._tpe import InSpace, RankedTPE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence, Set as AbstractSet

    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from autotune.prediction import Predictor
    from autotune.search.samplers._candidate_sampler import Proposals, Strategy
    from autotune.space import Candidate, JointSpace

MODEL = "model"
_TRIES = 3  # each fits all trials again


@dataclass(frozen=True)
class Context:
    """What a strategy may know.

    Attributes:
        space: The search space.
        startup_trials: Random trials before ``tpe`` and ``gp`` start to learn.
        predictor: Predicts every candidate; only ``model`` asks it.
        parallel: Whether trials run side by side.
        running: The candidates of the trials that run now.
    """

    space: JointSpace
    startup_trials: int
    predictor: Predictor | None = None
    parallel: bool = False
    running: Callable[[], Sequence[Candidate]] = tuple


def create_sampler(
    name: str,
    space: JointSpace,
    *,
    seed: int,
    startup_trials: int,
    finished: AbstractSet[str],
    predictor: Predictor | None = None,
    avoids: Callable[[Candidate], bool] = lambda candidate: False,
    parallel: bool = False,
    running: Callable[[], Sequence[Candidate]] = tuple,
) -> CandidateSampler:
    """The sampler that ``--sampler NAME`` asks for.

    Args:
        name: A key of `SAMPLERS`.
        space: The search space.
        seed: The study's seed; the same for each run of a resumed study.
        startup_trials: Random trials before ``tpe`` and ``gp`` start to learn.
        finished: Keys of candidates not to propose, besides those of the study's own trials.
        predictor: What ``model`` asks; without one, or before it is ready, that proposes like ``tpe``.
        avoids: Whether a candidate must not be proposed for another reason, asked at each proposal.
        parallel: Whether trials run side by side: ``tpe`` then takes a running one for a bad one (constant liar).
        running: The candidates of the trials that run now: ``model`` takes them for as good as expected.

    Raises:
        UsageError: An unknown sampler, or one whose package is missing.
    """
    check_sampler(name)
    strategy = SAMPLERS[name](Context(space, startup_trials, predictor, parallel, running))
    return CandidateSampler(strategy, space, seed, finished, avoids)


def check_sampler(name: str) -> None:
    """Raises `UsageError` where ``--sampler NAME`` is unknown or lacks a package; nothing is created."""
    if name not in SAMPLERS:
        raise UsageError(f"--sampler: unknown sampler {name!r}; use {', '.join(SAMPLERS)}")
    for package in _PACKAGES.get(name, ()):
        if find_spec(package) is None:
            raise UsageError(
                f"--sampler: {name} needs the Python package {package}, which is not installed; "
                f"run 'pip install {package}' or use --sampler tpe"
            )


def _tpe(context: Context) -> Strategy:
    """Tree-structured Parzen estimator over all parameters jointly, feasible trials first."""
    dropped: set[int] = set()

    def proposals(
        study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution], rng: np.random.Generator
    ) -> Proposals:
        sampler = RankedTPE(context.startup_trials, int(rng.integers(2**31)), constant_liar=context.parallel)
        yield from sampler.ranked(InSpace(study, search_space.keys(), dropped), trial, search_space)

    return proposals


def _gp(context: Context) -> Strategy:
    """Gaussian process with constrained expected improvement."""

    def sampler(seed: int) -> BaseSampler:
        return GPSampler(n_startup_trials=context.startup_trials, seed=seed)

    return _asking(sampler, tries=_TRIES)


def _random(context: Context) -> Strategy:
    """Untried candidates, each as likely as any other."""
    return lambda study, trial, search_space, rng: iter(())


def _grid(context: Context) -> Strategy:
    """Every candidate, in the space's order."""
    space = context.space
    return lambda study, trial, search_space, rng: (space.optuna_params(each) for each in space.candidates())


def _asking(create: Callable[[int], BaseSampler], tries: int) -> Strategy:
    """Proposals of one Optuna sampler; none while it still starts up."""

    def proposals(
        study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution], rng: np.random.Generator
    ) -> Proposals:
        sampler = create(int(rng.integers(2**31)))
        in_space: Any = InSpace(study, search_space.keys())
        for _ in range(tries):
            proposal = sampler.sample_relative(in_space, trial, search_space)
            if not proposal:
                return
            yield proposal

    return proposals


def _model(context: Context) -> Strategy:
    """By expected improvement over the incumbent, as simulated and corrected by the trials so far."""
    otherwise = _tpe(context)

    def proposals(
        study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution], rng: np.random.Generator
    ) -> Proposals:
        predictor = context.predictor
        if predictor is None or not predictor.ready or predictor.doubt:
            yield from otherwise(study, trial, search_space, rng)
            return
        for candidate in predictor.proposals(context.running()):
            yield context.space.optuna_params(candidate)

    return proposals


SAMPLERS: dict[str, Callable[[Context], Strategy]] = {
    MODEL: _model,
    "tpe": _tpe,
    "random": _random,
    "grid": _grid,
    "gp": _gp,
}
"""What ``--sampler`` may name. A new sampler is one function and one line here."""

_PACKAGES = {"gp": ("torch", "scipy")}
