"""Every config of a space, simulated."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from autotune.objective import Objective
from autotune.repository import ModelConfig
from autotune.simulator import (
    Batching,
    Prediction,
    ServiceTimes,
    highest_rates,
    highest_throughputs,
    lowest_latency,
    simulate,
    statistics_s,
)
from autotune.space import SIMULATED, Candidate, ParameterValue, SearchSpace

_LARGEST_SPACE = 20_000
# Octaves of batch size or instances at which configs stop being alike. Taken longer, what loses with two instances
# spoke against three: with 1.5, studies replayed on recorded grids ended 10% below the best (`benchmarks/replay`).
_LENGTH = 0.5
_FAR_WORSE = 50.0
_ALONE = 200
# Every config is simulated roughly, the best of them again as finely as tells close ones apart.
_COARSE_REQUESTS, _FINE_REQUESTS, _FINE = 6_000, 40_000, 64
# With fewer requests outstanding batches are smaller, so that what a config completes in a closed loop falls off a
# cliff where its latency just meets the limit: what completes as much under a lower limit is surer to do so. More of
# them are lower than higher, as whatever disturbs a machine makes latencies longer than simulated ones.
_DOUBTS = (0.9, 0.95, 1.0, 1.05)


class SimulatedSpace:
    """The coarse candidates of a space, those that were added to them, and what a simulation says of each.

    Args:
        space: The space.
        base: The config that candidates change.
        objective: What is looked for.
        seed: Of the simulated arrivals.

    Attributes:
        inapplicable: Why its configs cannot be simulated, in words; empty where they can.
        candidates: The candidates, in the order of the arrays; none where there are too many.
        coarse: Which of them are coarse, shape (candidates,).
        open: Those and the refinements next to the best configs.
        predictions: What was simulated of each; empty before `simulate`.
        values: The values: inferences/s, or seconds; far worse ones than the best where no promise is kept, the worse
            the farther they are from keeping it.
        features: What makes configs alike, shape (candidates, columns), in units of the distance at which they stop.
    """

    def __init__(self, space: SearchSpace, base: ModelConfig, objective: Objective, seed: int) -> None:
        self.inapplicable = ""
        self.candidates: list[Candidate] = []
        self.coarse = self.open = np.zeros(0, np.bool_)
        self.predictions: list[Prediction] = []
        self.values = np.zeros(0)
        self.features = np.zeros((0, 0))
        self._space = space
        self._base = base
        self._objective = objective
        self._seed = seed
        self._index: dict[str, int] = {}
        self._batchings: list[Batching] = []
        self._counted: list[bool] = []
        self._kinds = np.zeros((0, 0))
        self._service: ServiceTimes | None = None
        self._instances = 1
        if space.coarse.size > _LARGEST_SPACE:
            self.inapplicable = f"the space has {space.coarse.size:,} configs, too many to simulate each"
            return
        self._append(list(space.coarse.candidates()))
        if len(self._batchings) < len(self.candidates):
            self.inapplicable = "the simulator does not know how Triton batches such a model"

    @property
    def largest_batch(self) -> int:
        """The largest batch size of any config."""
        return max((batching.max_batch_size for batching in self._batchings), default=1)

    @property
    def tells_all_apart(self) -> bool:
        """Whether configs differ in nothing but what is simulated."""
        return not self._kinds.shape[1]

    def index(self, candidate: Candidate | None) -> int | None:
        """Where a candidate stands; None where it is none of the space."""
        return self._index.get(candidate.key) if candidate is not None and self.candidates else None

    def likeness(self, indices: Sequence[int]) -> NDArray[np.float64]:
        """How much each config is like the nearest of those that stand there, from 0 to 1, shape (candidates,)."""
        return np.asarray(np.exp(-0.5 * cdist(self.features, self.features[indices], "sqeuclidean").min(axis=1)))

    def simulate(self, service: ServiceTimes, instances: int = 1) -> None:
        """Simulates every config.

        Args:
            service: How long executions take.
            instances: How many Triton makes where a config does not say.
        """
        batchings = [
            batching if counted else replace(batching, instances=instances)
            for batching, counted in zip(self._batchings, self._counted, strict=True)
        ]
        self.predictions = self._simulated(batchings, service)  # a person may interrupt it
        self._service, self._instances, self._batchings = service, instances, batchings
        self._settle()

    def add(self, candidates: Iterable[Candidate]) -> None:
        """Adds those of the space that are not there yet, simulated like the others, once there is a simulation."""
        new = {each.key: each for each in candidates if each.key not in self._index and each in self._space}
        if new and self._service is not None:
            first = len(self.candidates)
            self._append(list(new.values()))
            self.predictions += self._simulated(self._batchings[first:], self._service)
            self._settle()

    def refine(self, best: Iterable[Candidate]) -> None:
        """Adds the refinements next to the best configs, and opens them alone."""
        around = list(dict.fromkeys(each for config in best for each in self._space.refinements(config)))
        self.add(around)
        self.open = self.coarse.copy()
        self.open[[self._index[each.key] for each in around if each.key in self._index]] = True

    def _append(self, candidates: Sequence[Candidate]) -> None:
        self._index.update((each.key, index) for index, each in enumerate(candidates, len(self.candidates)))
        self.candidates += candidates
        self.coarse = self.open = np.array([self._space.is_coarse(candidate) for candidate in self.candidates])
        self._kinds = _other_values(self.candidates)
        for batching, counted in batchings_of(self._space, self._base, candidates):
            if batching is not None:
                self._batchings.append(batching if counted else replace(batching, instances=self._instances))
                self._counted.append(counted)

    def _simulated(self, batchings: Sequence[Batching], service: ServiceTimes) -> list[Prediction]:
        distinct = list(dict.fromkeys(batchings))
        of = dict(zip(distinct, self._predictions(distinct, service, _COARSE_REQUESTS), strict=True))
        best = sorted(distinct, key=lambda each: self._rank(of[each]))[:_FINE]
        of.update(zip(best, self._predictions(best, service, _FINE_REQUESTS), strict=True))
        of = {batching: self._checked_alone(batching, service, prediction) for batching, prediction in of.items()}
        return [of[batching] for batching in batchings]

    def _settle(self) -> None:
        """Values and features of what was simulated."""
        values = np.array([self._value(prediction) for prediction in self.predictions])
        missed_by = np.array([self._missed_by(prediction) for prediction in self.predictions])
        self.values = _floored(values, missed_by, maximise=self._objective.maximise)
        self.features = np.array(
            [
                [
                    math.log2(max(1.0, prediction.mean_batch)) / _LENGTH,
                    math.log2(batching.max_batch_size) / 2 / _LENGTH,
                    math.log2(batching.instances) / _LENGTH,
                    float(batching.dynamic),
                    *kinds,
                ]
                for prediction, batching, kinds in zip(self.predictions, self._batchings, self._kinds, strict=True)
            ]
        )

    def _checked_alone(self, batching: Batching, service: ServiceTimes, prediction: Prediction) -> Prediction:
        """The prediction; that of requests far apart where those break a ceiling: each waits for the whole queue delay,
        as company never comes.

        A trial that looks for the highest rate begins with that question.
        """
        if not prediction.rate_per_s or not batching.max_queue_delay_s or not self._objective.maximise:
            return prediction
        latency_s = simulate(batching, service, np.arange(_ALONE) * 1.0, self._seed).latency_s
        alone = replace(prediction, rate_per_s=0.0, latency_s=statistics_s(latency_s, tuple(prediction.latency_s)))
        return prediction if self._missed_by(alone) <= 1 else alone

    def _missed_by(self, prediction: Prediction) -> float:
        """The latency farthest over its ceiling, as a multiple of that; 1 at most where none is over."""
        ratios = (each.ratio(prediction.latency_s[each.statistic]) for each in self._objective.ceilings)
        return max(ratios, default=1.0)

    def _predictions(self, batchings: Sequence[Batching], service: ServiceTimes, requests: int) -> Sequence[Prediction]:
        objective = self._objective
        if objective.load == "closed":
            service = replace(service, client_s=objective.client_s)
            return highest_throughputs(
                batchings, service, objective.ceilings, doubts=_DOUBTS, requests=requests, seed=self._seed
            )
        if objective.maximise:
            return highest_rates(batchings, service, objective.ceilings, requests=requests, seed=self._seed)
        return lowest_latency(
            batchings,
            service,
            objective.rate_per_s or 0.0,
            objective.optimised_statistic,
            objective.ceilings,
            requests=requests,
            seed=self._seed,
        )

    def _rank(self, prediction: Prediction) -> float:
        """Smaller is better."""
        value = self._value(prediction)
        return -value if self._objective.maximise else value

    def _value(self, prediction: Prediction) -> float:
        if self._objective.maximise:
            return prediction.rate_per_s
        return prediction.latency_s[self._objective.optimised_statistic] if prediction.rate_per_s > 0 else math.inf


def batchings_of(
    space: SearchSpace, base: ModelConfig, candidates: Sequence[Candidate]
) -> list[tuple[Batching | None, bool]]:
    """The batching of each candidate's config, and whether that config says how many instances there are."""
    configs = (space.apply(candidate, base) for candidate in candidates)
    return [(Batching.of(config), bool(config.instance_count)) for config in configs]


def _floored(values: NDArray[np.float64], missed_by: NDArray[np.float64], *, maximise: bool) -> NDArray[np.float64]:
    """The values, so that logarithms exist; those that keep no promise replaced by far worse ones than the best, worse
    in proportion to how far they miss it.
    """
    kept = np.isfinite(values) & (values > 0)
    best = (values[kept].max() if maximise else values[kept].min()) if kept.any() else 1.0
    worst = best / _FAR_WORSE if maximise else best * _FAR_WORSE
    missed_by = np.maximum(missed_by, 1.0)
    floor = worst / missed_by if maximise else worst * missed_by
    bounded = np.maximum(values, worst) if maximise else np.minimum(values, worst)
    return np.where(kept, bounded, floor)


def _other_values(candidates: Sequence[Candidate]) -> NDArray[np.float64]:
    """One column for each value of each parameter that a simulation knows nothing of, shape (candidates, columns)."""
    columns = [
        [float(candidate[name] == value) for candidate in candidates]
        for name in (candidates[0].as_dict() if candidates else ())
        if name not in SIMULATED
        for value in _distinct(candidate[name] for candidate in candidates)
    ]
    return np.array(columns).T if columns else np.zeros((len(candidates), 0))


def _distinct(values: Iterable[ParameterValue]) -> list[ParameterValue]:
    """The values, none of them where there is but one."""
    found = list(dict.fromkeys(values))
    return found if len(found) > 1 else []
