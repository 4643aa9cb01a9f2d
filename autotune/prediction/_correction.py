"""What the simulation gets wrong, learnt from the configs that were measured.

A Gaussian process (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, chapter 2) over the logarithm
of measured by simulated: one error that all configs share, one that similar configs share, and the noise of a
measurement. Its scale has an inverse-gamma prior and is the mean of the posterior, so that a simulation that was right
so far gets a smaller deviation.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist

from autotune.objective import Objective
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.prediction._options import DEFAULTS, PredictionOptions
from autotune.prediction._simulations import Simulations
from autotune.prediction._trial_values import FAILED, failing_values, merit_bounds


@dataclass(frozen=True)
class Correction:
    """What to add to the simulated merit of every config of a space.

    Attributes:
        mean: Expected error, shape (candidates,); more is better.
        deviation: Its standard deviation, shape (candidates,).
        residual: What predicts them.
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    residual: Residual

    @classmethod
    def learn(
        cls, space: Simulations, outcomes: Sequence[TrialOutcome], objective: Objective, options: PredictionOptions
    ) -> Correction:
        """Learns from the value of each trial, or from the bound that a pruned one gives."""
        found: list[tuple[float, int, float]] = []
        penalties: dict[float, list[int]] = defaultdict(list)
        for outcome in outcomes:
            index = space.index(outcome.candidate)
            if index is None:
                continue
            if bounds := merit_bounds(outcome, objective, options.pruned_margin):
                simulated, (low, high) = float(space.merits[index]), bounds
                if simulated > high or low == high:
                    found.append((high, index, high - simulated))
            elif outcome.kind in FAILED:
                penalties[options.failed_penalty].append(index)
            elif outcome.kind is OutcomeKind.INFEASIBLE and space.predictions[index].rate_per_s > 0:
                penalties[options.infeasible_penalty].append(index)
        best = heapq.nlargest(options.trials_corrected_by, found)
        errors = np.array([error for _, _, error in best])
        scale = _deviation(space, objective, options)
        residual = Residual(space.features[[index for _, index, _ in best]], errors, scale, options)
        mean, deviation = residual.predict(space.features)
        if penalties:
            mean -= np.max([penalty * space.likeness(like) for penalty, like in penalties.items()], axis=0)
        if failing := failing_values(outcomes):
            never = [not failing.keys().isdisjoint(candidate) for candidate in space.candidates]
            mean[never], deviation[never] = options.never_works, 0.0
        return cls(mean, deviation, residual)


def _deviation(space: Simulations, objective: Objective, options: PredictionOptions) -> float:
    """Standard deviation of the errors between configs before any was measured."""
    if not space.tells_all_apart:
        return options.deviation_unknown
    return options.deviation_closed if objective.load == "closed" else options.deviation


@dataclass(frozen=True)
class Residual:
    """Predicts the logarithm of measured by simulated.

    Attributes:
        features: Of the measured configs, shape (n, d), in units of the distance at which configs stop being alike.
        errors: Logarithms of measured by simulated, shape (n,).
        scale: Standard deviation of the errors between configs before any was measured.
        options: The other scales, and the weight of the prior.
        believed: How many of the errors, the last ones, were not measured: they say nothing of the scale.
    """

    features: NDArray[np.float64]
    errors: NDArray[np.float64]
    scale: float = DEFAULTS.deviation
    options: PredictionOptions = DEFAULTS
    believed: int = 0

    def believing(self, features: NDArray[np.float64]) -> Residual:
        """The same if configs with these features, shape (m, d), had shown the errors that are expected of them."""
        expected, _ = self.predict(features)
        known = np.concatenate([self.features, features]) if len(self.errors) else features
        return replace(
            self,
            features=known,
            errors=np.concatenate([self.errors, expected]),
            believed=self.believed + len(features),
        )

    def predict(
        self, features: NDArray[np.float64], beside: NDArray[np.float64] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation of the error of each config, without the noise of a measurement.

        Args:
            features: Of the configs, shape (m, d).
            beside: Features of a config to compare with, shape (d,): the standard deviations are then those of the
                differences from its error.
        """
        options = self.options
        prior = np.full(len(features), options.shared_deviation**2 + 1.0)
        if beside is not None:
            prior = 2 * (prior - self._kernel(features, beside[None])[:, 0])
        if not len(self.errors):
            return np.zeros(len(features)), self.scale * np.sqrt(prior)
        covariance = self._kernel(self.features, self.features) + options.noise**2 * np.eye(len(self.errors))
        factor = cho_factor(covariance, lower=True)
        weighted = cho_solve(factor, self.errors)
        cross = self._kernel(features, self.features)
        mean = cross @ weighted
        if beside is not None:
            cross = cross - self._kernel(beside[None], self.features)
        variance = prior - np.einsum("ij,ji->i", cross, cho_solve(factor, cross.T))
        fit = options.prior_trials * self.scale**2 + float(self.errors @ weighted)
        scale = fit / (options.prior_trials + len(self.errors) - self.believed)
        return mean, np.sqrt(scale * np.maximum(variance, 0.0))

    def _kernel(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(self.options.shared_deviation**2 + np.exp(-0.5 * cdist(a, b, "sqeuclidean")))
