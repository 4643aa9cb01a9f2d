"""What a simulation gets wrong, learnt from the few configs that were measured.

A Gaussian process (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, chapter 2) over the
logarithm of measured by simulated: one error that all configs share, one that configs alike share, and the noise of
a measurement. Its scale is learnt too, as the mean of an inverse-gamma posterior, so that a simulator that was right
so far is trusted more: a conjugate prior, nothing to optimise, and sound from the first measurement on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist

_SHARED = 2.0
"""Standard deviation of the error that all configs share, in units of the scale."""
_NOISE = 0.8
"""Standard deviation of a measurement's own error, in units of the scale."""
_SCALE_WORTH = 4.0
"""How many measurements the scale's prior is worth."""


@dataclass(frozen=True)
class Residual:
    """Predicts the logarithm of measured by simulated.

    Attributes:
        features: Of the measured configs, shape (n, d), in units of the distance at which configs stop being alike.
        errors: Logarithms of measured by simulated, shape (n,).
        scale: Before anything was measured, by what fraction configs differ in how far the simulator is off.
    """

    features: NDArray[np.float64]
    errors: NDArray[np.float64]
    scale: float = 0.1

    def predict(
        self, features: NDArray[np.float64], beside: NDArray[np.float64] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation of the error of each config, noise left out.

        Args:
            features: Of the configs, shape (m, d).
            beside: Of a config that they are to be compared with, shape (d,): the standard deviations are those of
                the differences from its error then.
        """
        prior = np.full(len(features), _SHARED**2 + 1.0)
        if beside is not None:
            prior = 2 * (prior - _kernel(features, beside[None])[:, 0])
        if not len(self.errors):
            return np.zeros(len(features)), self.scale * np.sqrt(prior)
        covariance = _kernel(self.features, self.features) + _NOISE**2 * np.eye(len(self.errors))
        factor = cho_factor(covariance, lower=True)
        cross = _kernel(features, self.features)
        mean = cross @ cho_solve(factor, self.errors)
        if beside is not None:
            cross = cross - _kernel(beside[None], self.features)
        variance = prior - np.einsum("ij,ji->i", cross, cho_solve(factor, cross.T))
        fit = float(self.errors @ cho_solve(factor, self.errors))
        variance_scale = (_SCALE_WORTH * self.scale**2 + fit) / (_SCALE_WORTH + len(self.errors))
        return mean, np.sqrt(variance_scale * np.maximum(variance, 0.0))


def _kernel(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(_SHARED**2 + np.exp(-0.5 * cdist(a, b, "sqeuclidean")))
