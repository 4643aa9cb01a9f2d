"""Every config of a space, simulated."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from autotune.objective import Objective
from autotune.outcome import TrialOutcome
from autotune.prediction._curve import unseen_octaves, useful_sizes
from autotune.prediction._options import PredictionOptions
from autotune.prediction._service_times import differ, seen_sizes, service_times
from autotune.prediction._simulations import Simulations
from autotune.prediction._trial_windows import default_instances, windows_of
from autotune.repository import ModelConfig, RequestShapes
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


class SimulatedSpace(Simulations):
    """The coarse candidates of one model's space, and those that were added to them.

    Args:
        space: The search space.
        base: The config that candidates change.
        objective: What is optimised.
        seed: Of the simulated arrivals.
        options: How finely configs are simulated, and when they are alike.
        requests: The shapes of the requests that are sent in turn; None if they are alike or not known.
    """

    def __init__(
        self,
        space: SearchSpace,
        base: ModelConfig,
        objective: Objective,
        seed: int,
        options: PredictionOptions,
        requests: RequestShapes | None = None,
    ) -> None:
        super().__init__(objective, seed, options)
        self._requests = requests
        self._space = space
        self._base = base
        self._batchings: list[Batching] = []
        self._counted: list[bool] = []
        self._kinds = np.zeros((0, 0))
        self._service: ServiceTimes | None = None
        self._instances = 1
        self._seen = np.ones(1, np.int64)
        self._useful: tuple[int, ...] = ()
        if self.inapplicable:
            return
        if space.coarse.size > options.largest_space:
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
        """Whether configs differ only in parameters that are simulated."""
        return not self._kinds.shape[1]

    def learn(self, known: Sequence[TrialOutcome]) -> bool:
        """See `Simulations.learn`."""
        windows = windows_of(known, self._options.trials_simulated_from)
        service = service_times(windows, self.largest_batch, self._options)
        if service is None:
            return self._service is not None
        self._seen = seen_sizes(windows)
        self._useful = useful_sizes(service.host_s + service.device_s, self._options)
        instances = default_instances(known)
        if self._service is None or instances != self._instances or differ(self._service, service, self._options):
            self.simulate(service, instances)
        else:
            self.unseen = self._unseen()
        return True

    def simulate(self, service: ServiceTimes, instances: int = 1) -> None:
        """Simulates every config.

        Args:
            service: How long executions take.
            instances: How many Triton creates if a config does not say.
        """
        batchings = [
            batching if counted else replace(batching, instances=instances)
            for batching, counted in zip(self._batchings, self._counted, strict=True)
        ]
        self.predictions = self._simulated(batchings, service)  # before anything is changed: it may be interrupted
        self._service, self._instances, self._batchings = service, instances, batchings
        self._settle(self._features())

    def add(self, candidates: Iterable[Candidate]) -> None:
        """Adds candidates of the space that are new, simulated like the others; nothing before `simulate`."""
        new = {each.key: each for each in candidates if each.key not in self._index and each in self._space}
        if new and self._service is not None:
            first = len(self.candidates)
            self._append(list(new.values()))
            self.predictions += self._simulated(self._batchings[first:], self._service)
            self._settle(self._features())

    def refine(self, best: Iterable[Candidate]) -> None:
        """Adds the refined values next to the best configs, and opens no others."""
        around = list(dict.fromkeys(each for config in best for each in self._space.refinements(config, self._useful)))
        self.add(around)
        self.open = self.coarse.copy()
        self.open[[self._index[each.key] for each in around if each.key in self._index]] = True

    def _append(self, candidates: Sequence[Candidate]) -> None:
        self._index.update((each.key, index) for index, each in enumerate(candidates, len(self.candidates)))
        self.candidates += candidates
        self.coarse = self.open = np.array([self._space.is_coarse(candidate) for candidate in self.candidates])
        self._kinds = _other_values(self.candidates)
        for batching, counted in batchings_of(self._space, self._base, candidates, self._requests):
            if batching is not None:
                self._batchings.append(batching if counted else replace(batching, instances=self._instances))
                self._counted.append(counted)

    def _simulated(self, batchings: Sequence[Batching], service: ServiceTimes) -> list[Prediction]:
        """Every config roughly, and the best of them again as finely as separates close ones."""
        options = self._options
        distinct = list(dict.fromkeys(batchings))
        of = dict(zip(distinct, self._predictions(distinct, service, options.coarse_requests), strict=True))
        best = sorted(distinct, key=lambda each: self.rank(of[each]))[: options.fine_configs]
        of.update(zip(best, self._predictions(best, service, options.fine_requests), strict=True))
        of = {batching: self._checked_alone(batching, service, prediction) for batching, prediction in of.items()}
        return [of[batching] for batching in batchings]

    def _features(self) -> NDArray[np.float64]:
        octaves = [
            [
                math.log2(max(1.0, prediction.mean_batch)),
                math.log2(batching.max_batch_size) / 2,
                math.log2(batching.instances),
            ]
            for prediction, batching in zip(self.predictions, self._batchings, strict=True)
        ]
        dynamic = [float(batching.dynamic) for batching in self._batchings]
        return np.column_stack([np.array(octaves) / self._options.length, dynamic, self._kinds])

    def _unseen(self) -> NDArray[np.float64]:
        """By how far each config's mean batch is from the sizes that were seen."""
        options = self._options
        batches = np.array([prediction.mean_batch for prediction in self.predictions])
        beyond = unseen_octaves(np.nan_to_num(batches, nan=1.0), self._seen) - options.unseen_from
        return np.asarray(options.unseen * np.maximum(0.0, beyond))

    def _checked_alone(self, batching: Batching, service: ServiceTimes, prediction: Prediction) -> Prediction:
        """The prediction, or that of lone requests if those violate a ceiling.

        A lone request waits for the whole queue delay. A trial that looks for the highest rate begins with one request
        at a time.
        """
        if not prediction.rate_per_s or not batching.max_queue_delay_s or not self._objective.maximise:
            return prediction
        arrivals_s = np.arange(self._options.lone_requests) * 1.0
        latency_s = simulate(batching, service, arrivals_s, self._seed).latency_s
        alone = replace(prediction, rate_per_s=0.0, latency_s=statistics_s(latency_s, tuple(prediction.latency_s)))
        return prediction if self.over_ceiling(alone) <= 1 else alone

    def _predictions(self, batchings: Sequence[Batching], service: ServiceTimes, requests: int) -> Sequence[Prediction]:
        objective = self._objective
        if objective.load == "closed":
            service = replace(service, client_s=objective.client_s)
            factors = self._options.limit_factors
            return highest_throughputs(
                batchings, service, objective.ceilings, factors=factors, requests=requests, seed=self._seed
            )
        if objective.maximise:
            return highest_rates(
                batchings,
                service,
                objective.ceilings,
                requests=requests,
                seed=self._seed,
                spacing=objective.arrivals,
            )
        return lowest_latency(
            batchings,
            service,
            objective.rate_per_s or 0.0,
            objective.optimised_statistic,
            objective.ceilings,
            requests=requests,
            seed=self._seed,
            spacing=objective.arrivals,
        )


def batchings_of(
    space: SearchSpace, base: ModelConfig, candidates: Sequence[Candidate], requests: RequestShapes | None = None
) -> list[tuple[Batching | None, bool]]:
    """The batching of each candidate's config, and whether that config says how many instances there are."""
    configs = (space.apply(candidate, base) for candidate in candidates)
    return [(Batching.of(config, requests), bool(config.instance_count)) for config in configs]


def _other_values(candidates: Sequence[Candidate]) -> NDArray[np.float64]:
    """One column for each value of each parameter that is not simulated, shape (candidates, columns)."""
    columns = [
        [float(candidate[name] == value) for candidate in candidates]
        for name in (candidates[0].as_dict() if candidates else ())
        if name not in SIMULATED
        for value in _distinct(candidate[name] for candidate in candidates)
    ]
    return np.array(columns).T if columns else np.zeros((len(candidates), 0))


def _distinct(values: Iterable[ParameterValue]) -> list[ParameterValue]:
    """The distinct values; none if there is only one."""
    found = list(dict.fromkeys(values))
    return found if len(found) > 1 else []
