"""Models that are served together, each with its batcher and instances: a pipeline's steps, or several models.

Every request passes every step of a pipeline once, as in Triton's ensembles: a step begins when all steps whose outputs
it needs have ended for that request. A model that calls the others (BLS) holds its instance meanwhile: no more requests
are under way than it has instances. Of several models each request goes to one, drawn by their shares. Models of one
device wait for each other there as the instances of one model do; requests and executions take CPU time of the one
machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from autotune.arrivals import POISSON, Arrivals
from autotune.simulator._draws import Draws
from autotune.simulator._loaded_config import LoadedConfig
from autotune.simulator._prediction import Prediction, statistics_s
from autotune.simulator._rates import highest_sustained
from autotune.simulator._stage import Stage
from autotune.simulator._window import WARM_UP, Runner

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autotune.objective import Ceiling
    from autotune.simulator._batching import Batching
    from autotune.simulator._service import ServiceTimes

_LEFT_BEHIND = 0.02  # of a window's requests: what a queue that does not grow may hold at its end


class Pipeline:
    """Random arrivals at any rate, through steps or to several models; alike for all configs (common random numbers).

    Args:
        ceilings: On the latency of the whole; of several models on each one's.
        overhead_s: Samples of a request's latency outside the steps.
        cpu_s: CPU seconds that a request takes of the whole machine, by the number of cores; 0 where that is unknown.
        requests: Requests of a window; the first tenth is not counted.
        seed: Draws them.
        spacing: How they are spaced.
        shares: Several models, in the order of the stages: the fraction of the requests that each gets. Empty for the
            steps of a pipeline.
    """

    def __init__(
        self,
        ceilings: Sequence[Ceiling],
        overhead_s: NDArray[np.float64],
        cpu_s: float = 0.0,
        requests: int = 4000,
        seed: int = 0,
        spacing: Arrivals = POISSON,
        shares: Mapping[str, float] | None = None,
    ) -> None:
        self.ceilings = ceilings
        self.shares = dict(shares or {})
        self.requests = requests
        self.cpu_s = cpu_s
        self._seed = seed
        self._spacing = spacing
        rng = np.random.default_rng([seed, 1])
        self.overhead_s = overhead_s[rng.integers(len(overhead_s), size=requests)]
        self.owners: NDArray[np.int64] | None = None
        if self.shares:
            parts = np.array(list(self.shares.values())) / sum(self.shares.values())
            self.owners = np.random.default_rng([seed, 2]).choice(len(parts), requests, p=parts).astype(np.int64)
        self._draws = lru_cache(maxsize=None)(self._draws_of)
        self._saturation = lru_cache(maxsize=None)(self._saturation_of)

    def highest_rate(self, stages: Sequence[Stage]) -> Prediction:
        """The highest Poisson rate at which the pipeline keeps every ceiling; see `highest_rates`."""
        return highest_sustained(_LoadedPipeline(self, stages))

    def saturation_per_s(self, stages: Sequence[Stage]) -> list[float]:
        """Requests/s, of all requests, at which each stage is busy or held all the time, with its device to itself."""
        alone = [
            each.batching.instances / _held_s(stages) if each.calls else self._saturation(each.batching, each.service)
            for each in stages
        ]
        return [per_s / part for per_s, part in zip(alone, self._parts(stages), strict=True)]

    def bound_per_s(self, stages: Sequence[Stage]) -> float:
        """Requests/s that no rate exceeds: those of the first busy stage, device or core."""
        demand_s = np.zeros(max(each.device for each in stages) + 1)
        for each, part in zip(stages, self._parts(stages), strict=True):
            largest = each.batching.max_batch_size
            times_s = each.service.up_to(largest).device_s
            demand_s[each.device] += part * float((times_s / np.arange(1, largest + 1)).min())
        busiest_s = max(float(demand_s.max()), self.cpu_s)
        return min(*self.saturation_per_s(stages), 1 / busiest_s if busiest_s > 0 else math.inf)

    def runner(self, stages: Sequence[Stage]) -> Runner:
        """What runs windows of these stages."""
        draws = [self._draws(stage.service, place) for place, stage in enumerate(stages)]
        return Runner(stages, [replace(draws[0], overhead_s=self.overhead_s), *draws[1:]], owners=self.owners)

    def run(
        self,
        stages: Sequence[Stage],
        sent_s: NDArray[np.float64],
        concurrency: int = 0,
        runner: Runner | None = None,
    ) -> tuple[NDArray[np.float64], Runner]:
        """Sends requests at these times, or keeps ``concurrency`` outstanding and fills in the times.

        What waits for an instance of a model that calls the others is sent when one is free. In a closed loop this wait
        is left out of the latencies.

        Returns:
            The latency of each request, overhead included, and what ran.
        """
        runner = runner or self.runner(stages)
        held = stages[0].batching.instances if stages[0].calls else 0
        if not held or 0 < concurrency <= held:
            runner.run(sent_s, 1.0, concurrency=concurrency)
            return runner.latency_s, runner
        begun_s = np.empty(self.requests)
        runner.run(begun_s, 1.0, concurrency=held, earliest_s=np.zeros(self.requests) if concurrency else sent_s)
        return runner.latency_s + (0.0 if concurrency else begun_s - sent_s), runner

    @property
    def arrivals(self) -> NDArray[np.float64]:
        """Arrival times at a rate of 1/s."""
        rng = np.random.default_rng([self._seed, 0])
        times = np.cumsum(self._spacing.gaps(rng, self.requests))
        return np.asarray(times * (self.requests / times[-1]))

    def _parts(self, stages: Sequence[Stage]) -> list[float]:
        """The part of the requests that each stage gets."""
        return list(self.shares.values()) if self.shares else [1.0] * len(stages)

    def _draws_of(self, service: ServiceTimes, place: int) -> Draws:
        """A step's own numbers; a step has no overhead, the pipeline has one."""
        return Draws.of(replace(service, overhead_s=np.zeros(1)), self.requests, self._seed + place)

    def _saturation_of(self, batching: Batching, service: ServiceTimes) -> float:
        reached = service.up_to(batching.max_batch_size)
        return LoadedConfig(batching, reached, (), self._draws(service, 0)).saturation_per_s


def _held_s(stages: Sequence[Stage]) -> float:
    """Seconds for which a request holds the instance that calls, if nothing waits and no batch forms."""
    ended_s: list[float] = []
    for each in stages:
        began_s = max((ended_s[place] for place in each.after), default=0.0)
        ended_s.append(began_s + float(each.service.host_s[0] + each.service.device_s[0]))
    return max(ended_s)


class _LoadedPipeline:
    """One pipeline config: what the search for the highest rate asks of a single model, asked of all its steps."""

    def __init__(self, pipeline: Pipeline, stages: Sequence[Stage]) -> None:
        self._pipeline = pipeline
        self._stages = stages
        self._arrivals = pipeline.arrivals
        self._runner = pipeline.runner(stages)
        self._kept: Prediction | None = None
        self.saturation_per_s = pipeline.bound_per_s(stages)
        self._in_flight = sum(3 * each.batching.instances * each.batching.max_batch_size for each in stages)

    @property
    def sustained_per_s(self) -> float:
        """The latest rate that was sustained; 0 where none was."""
        return self._kept.rate_per_s if self._kept else 0.0

    def level(self, rate_per_s: float) -> float:
        """How close a rate comes to violating a ceiling, as `LoadedConfig.level` has it."""
        pipeline, arrivals_s = self._pipeline, self._arrivals / rate_per_s
        if pipeline.shares or self._stages[0].calls:  # latencies that the kernel does not count
            latency_s = pipeline.run(self._stages, arrivals_s, runner=self._runner)[0]
        else:
            level, finished, _ = self._runner.run_within(pipeline.ceilings, arrivals_s, 1.0)
            if level > 1 or finished < pipeline.requests:
                return level
            latency_s = self._runner.latency_s
        found, level = self._read(rate_per_s, latency_s)
        if level <= 1:
            self._kept = found
        return level

    def at(self, rate_per_s: float, *, sustained: bool) -> Prediction:
        """What the whole window looks like at a rate."""
        if self._kept is None or self._kept.rate_per_s != rate_per_s:
            latency_s, _ = self._pipeline.run(self._stages, self._arrivals / rate_per_s, runner=self._runner)
            self._kept, _ = self._read(rate_per_s, latency_s)
        return self._kept if sustained else replace(self._kept, rate_per_s=0.0)

    def _read(self, rate_per_s: float, latency_s: NDArray[np.float64]) -> tuple[Prediction, float]:
        """The latest window, and how close it comes to violating a ceiling."""
        pipeline, runner, arrivals_s = self._pipeline, self._runner, self._arrivals / rate_per_s
        sizes = np.arange(runner.executions.shape[1])
        batches = runner.executions @ sizes / np.maximum(1, runner.executions.sum(axis=1))
        first = int(WARM_UP * len(latency_s))
        counted = {"": latency_s[first:]}
        for place, model in enumerate(pipeline.shares):
            assert pipeline.owners is not None  # noqa: S101 - there are owners where there are shares
            counted[model] = latency_s[first:][pipeline.owners[first:] == place]
        values = statistics_s(counted[""], ("p50", "p99", "avg"))
        ended_s = arrivals_s + latency_s - pipeline.overhead_s
        behind = int((ended_s > arrivals_s[-1]).sum())
        level = behind / (self._in_flight + _LEFT_BEHIND * len(latency_s))
        for each in pipeline.ceilings:
            own = counted[each.model]
            if not len(own):
                continue  # too few requests to have one of the model
            values[each.key] = statistics_s(own, (each.statistic,))[each.statistic]
            if math.isnan(each.quantile):
                over = float(own.mean()) / each.limit_s
            else:
                over = float((own > each.limit_s).sum()) / max(0.5, (1 - each.quantile) * len(own))
            level = max(level, over)
        return Prediction(rate_per_s, self.saturation_per_s, values, float(batches.max())), level
