"""What a simulation says of configs: arrays over the candidates, whatever is simulated."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from autotune.objective import Objective
from autotune.outcome import TrialOutcome
from autotune.prediction._options import PredictionOptions
from autotune.simulator import Prediction
from autotune.space import Candidate

_NOT_SIMULATED = ("goodput", "memory")


class Simulations(ABC):
    """Candidates, and what a simulation says of each.

    Args:
        objective: What is optimised.
        seed: Of the simulated arrivals.
        options: How finely configs are simulated, and when they are alike.

    Attributes:
        inapplicable: Why its configs cannot be simulated, in words; empty if they can.
        candidates: The candidates, in the order of the arrays.
        coarse: Which of them are coarse, shape (candidates,).
        open: Which of them may be proposed: the coarse ones, and the refined values next to the best configs.
        predictions: What was simulated of each; empty before the first trials were learnt from.
        values: Inferences/s, or seconds. A config that violates the SLO at every rate gets a far worse value than the
            best, in proportion to how far it is over the ceiling.
        merits: Logarithms of the values, signed so that more is better.
        unseen: Standard deviation of each merit because its batch sizes were not seen, shape (candidates,).
        features: What makes configs alike, shape (candidates, columns), in units of the distance at which they stop.
        tells_all_apart: Whether configs differ only in parameters that are simulated.
    """

    def __init__(self, objective: Objective, seed: int, options: PredictionOptions) -> None:
        self.inapplicable = ""
        if objective.also:
            self.inapplicable = "several objectives are not simulated"
        elif objective.goal in _NOT_SIMULATED:
            self.inapplicable = f"{objective.goal} is not simulated"
        self.candidates: list[Candidate] = []
        self.coarse = self.open = np.zeros(0, np.bool_)
        self.predictions: list[Prediction] = []
        self.values = self.merits = self.unseen = np.zeros(0)
        self.features = np.zeros((0, 0))
        self._objective = objective
        self._seed = seed
        self._options = options
        self._index: dict[str, int] = {}

    @property
    @abstractmethod
    def tells_all_apart(self) -> bool:
        """See the class."""

    @abstractmethod
    def learn(self, known: Sequence[TrialOutcome]) -> bool:
        """Learns execution times from trials and simulates again if they have changed.

        Returns:
            Whether they are known.
        """

    @abstractmethod
    def add(self, candidates: Iterable[Candidate]) -> None:
        """Adds candidates of the space that are new, simulated like the others; nothing before they can be."""

    @abstractmethod
    def refine(self, best: Iterable[Candidate]) -> None:
        """Adds the refined values next to the best configs, and opens no others."""

    def index(self, candidate: Candidate | None) -> int | None:
        """The place of a candidate in the arrays; None if it has none."""
        return self._index.get(candidate.key) if candidate is not None and self.candidates else None

    def likeness(self, indices: Sequence[int]) -> NDArray[np.float64]:
        """How much each config is like the nearest of these, from 0 to 1, shape (candidates,)."""
        return np.asarray(np.exp(-0.5 * cdist(self.features, self.features[indices], "sqeuclidean").min(axis=1)))

    def over_ceiling(self, prediction: Prediction) -> float:
        """The largest latency as a multiple of its ceiling; at most 1 if all are met."""
        # of several models, one that gets few requests may have none in a simulated window
        ratios = (each.ratio(prediction.latency_s.get(each.key, 0.0)) for each in self._objective.ceilings)
        return max(ratios, default=1.0)

    def value(self, prediction: Prediction) -> float:
        """What is optimised: inferences/s, or seconds."""
        if self._objective.maximise:
            return prediction.rate_per_s
        return prediction.latency_s[self._objective.optimised_statistic] if prediction.rate_per_s > 0 else math.inf

    def rank(self, prediction: Prediction) -> float:
        """Smaller is better."""
        value = self.value(prediction)
        return -value if self._objective.maximise else value

    def _settle(self, features: NDArray[np.float64]) -> None:
        """Takes the values of what was simulated, and the features."""
        values = np.array([self.value(prediction) for prediction in self.predictions])
        over = np.array([self.over_ceiling(prediction) for prediction in self.predictions])
        self.values = _floored(values, over, self._options.worst, maximise=self._objective.maximise)
        self.merits = np.log(self.values) if self._objective.maximise else -np.log(self.values)
        self.features = features
        self.unseen = self._unseen()

    def _unseen(self) -> NDArray[np.float64]:
        return np.zeros(len(self.candidates))


def _floored(
    values: NDArray[np.float64], over: NDArray[np.float64], worst: float, *, maximise: bool
) -> NDArray[np.float64]:
    """The values, at most ``worst`` times worse than the best, so that all have a logarithm.

    Configs that violate the SLO get that value, worse in proportion to how far they are over the ceiling.
    """
    met = np.isfinite(values) & (values > 0)
    best = (values[met].max() if maximise else values[met].min()) if met.any() else 1.0
    floor = best / worst if maximise else best * worst
    bounded = np.maximum(values, floor) if maximise else np.minimum(values, floor)
    over = np.maximum(over, 1.0)
    return np.where(met, bounded, floor / over if maximise else floor * over)
