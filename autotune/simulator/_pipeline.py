"""A pipeline of models, each with its batcher and instances: the departures of one step are the arrivals of the next.

Every request passes every step once, as in Triton's ensembles: a step begins when all steps whose outputs it needs have
ended for that request. A step's requests queue in the order in which they come. Steps do not slow each other down,
except by the CPU time that a request takes of the whole machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from autotune.arrivals import POISSON, Arrivals
from autotune.simulator._carried import WARM_UP, Carrier
from autotune.simulator._draws import Draws
from autotune.simulator._prediction import Prediction, statistics_s
from autotune.simulator._rates import highest_carried
from autotune.simulator._window import Runner

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autotune.objective import Ceiling
    from autotune.simulator._batching import Batching
    from autotune.simulator._service import ServiceTimes

_LEFT_BEHIND = 0.02  # of a window's requests: what a queue that does not grow may hold at its end


@dataclass(frozen=True, eq=False)
class Stage:
    """One step of a pipeline.

    Attributes:
        batching: How its batches form.
        service: How long its executions take.
        after: Places of the steps that it waits for, all before its own; none gets the requests themselves.
    """

    batching: Batching
    service: ServiceTimes
    after: tuple[int, ...] = ()


class Pipeline:
    """Random arrivals at any rate through the steps of a pipeline; alike for every config (common random numbers).

    Args:
        ceilings: On the latency of the whole.
        overhead_s: Samples of a request's latency outside the steps.
        cpu_s: CPU seconds that a request takes of the whole machine, by the number of cores; 0 where that is unknown.
        requests: Requests of a window; the first tenth is not counted.
        seed: Draws them.
        spacing: How they are spaced.
    """

    def __init__(
        self,
        ceilings: Sequence[Ceiling],
        overhead_s: NDArray[np.float64],
        cpu_s: float = 0.0,
        requests: int = 4000,
        seed: int = 0,
        spacing: Arrivals = POISSON,
    ) -> None:
        self.ceilings = ceilings
        self.requests = requests
        self.cpu_s = cpu_s
        self._seed = seed
        self._spacing = spacing
        rng = np.random.default_rng([seed, 1])
        self.overhead_s = overhead_s[rng.integers(len(overhead_s), size=requests)]
        self._draws = lru_cache(maxsize=None)(self._draws_of)
        self._saturation = lru_cache(maxsize=None)(self._saturation_of)

    def highest_rate(self, stages: Sequence[Stage]) -> Prediction:
        """The highest Poisson rate at which the pipeline keeps every ceiling; see `highest_rates`."""
        return highest_carried(_Carrier(self, stages))

    def saturation_per_s(self, stages: Sequence[Stage]) -> list[float]:
        """Requests/s that each step completes with its queue never empty."""
        return [self._saturation(each.batching, each.service) for each in stages]

    def through(self, stages: Sequence[Stage], arrivals_s: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
        """When each request has left every step, for arrivals at these times, and the mean batch of the last step."""
        ended_s: list[NDArray[np.float64]] = []
        mean_batch = 1.0
        for place, stage in enumerate(stages):
            came_s = arrivals_s
            if stage.after:
                came_s = np.maximum.reduce([ended_s[each] for each in stage.after])
            order = np.argsort(came_s, kind="stable")
            runner = Runner(
                stage.batching, stage.service.up_to(stage.batching.max_batch_size), self._draws(stage.service, place)
            )
            sorted_s = came_s[order]
            runner.run(sorted_s, 1.0)
            left_s = np.empty_like(came_s)
            left_s[order] = sorted_s + runner.latency_s
            ended_s.append(left_s)
            mean_batch = max(mean_batch, len(arrivals_s) / max(1, int(runner.executions.sum())))
        return np.maximum.reduce(ended_s), mean_batch

    @property
    def arrivals(self) -> NDArray[np.float64]:
        """Arrival times at a rate of 1/s."""
        rng = np.random.default_rng([self._seed, 0])
        times = np.cumsum(self._spacing.gaps(rng, self.requests))
        return np.asarray(times * (self.requests / times[-1]))

    def _draws_of(self, service: ServiceTimes, place: int) -> Draws:
        """A step's own numbers; a step has no overhead, the pipeline has one."""
        return Draws.of(replace(service, overhead_s=np.zeros(1)), self.requests, self._seed + place)

    def _saturation_of(self, batching: Batching, service: ServiceTimes) -> float:
        reached = service.up_to(batching.max_batch_size)
        return Carrier(batching, reached, (), self._draws(service, 0)).saturation_per_s


class _Carrier:
    """One pipeline config: what the search for the highest rate asks of a single model, asked of all its steps."""

    def __init__(self, pipeline: Pipeline, stages: Sequence[Stage]) -> None:
        self._pipeline = pipeline
        self._stages = stages
        self._arrivals = pipeline.arrivals
        self._kept: Prediction | None = None
        self.saturation_per_s = min(pipeline.saturation_per_s(stages))
        if pipeline.cpu_s > 0:
            self.saturation_per_s = min(self.saturation_per_s, 1 / pipeline.cpu_s)
        self._in_flight = sum(3 * each.batching.instances * each.batching.max_batch_size for each in stages)

    @property
    def carried_per_s(self) -> float:
        """The latest rate that was sustained; 0 where none was."""
        return self._kept.rate_per_s if self._kept else 0.0

    def level(self, rate_per_s: float) -> float:
        """How close a rate comes to breaking a ceiling, as `Carrier.level` has it."""
        found, level = self._at(rate_per_s)
        if level <= 1:
            self._kept = found
        return level

    def at(self, rate_per_s: float, *, carried: bool) -> Prediction:
        """What the whole window looks like at a rate."""
        if self._kept is None or self._kept.rate_per_s != rate_per_s:
            self._kept, _ = self._at(rate_per_s)
        return self._kept if carried else replace(self._kept, rate_per_s=0.0)

    def _at(self, rate_per_s: float) -> tuple[Prediction, float]:
        pipeline = self._pipeline
        arrivals_s = self._arrivals / rate_per_s
        ended_s, mean_batch = pipeline.through(self._stages, arrivals_s)
        latency_s = ended_s - arrivals_s + pipeline.overhead_s
        counted = latency_s[int(WARM_UP * len(latency_s)) :]
        names = dict.fromkeys(("p50", "p99", "avg", *(each.statistic for each in self._pipeline.ceilings)))
        found = Prediction(rate_per_s, self.saturation_per_s, statistics_s(counted, tuple(names)), mean_batch)
        behind = int((ended_s > arrivals_s[-1]).sum())
        level = behind / (self._in_flight + _LEFT_BEHIND * len(latency_s))
        for each in self._pipeline.ceilings:
            if math.isnan(each.quantile):
                over = float(counted.mean()) / each.limit_s
            else:
                over = float((counted > each.limit_s).sum()) / max(0.5, (1 - each.quantile) * len(counted))
            level = max(level, over)
        return found, level
