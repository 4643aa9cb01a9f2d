"""Models on a simulated device with a known sharing rule: first come, first served, for the instances of all models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from autotune.load import ClosedLoop
from autotune.measurement import Measurement, Probe, Purpose, Step, StepWindow, Stream, StreamWindow
from autotune.objective import Objective, latency_key
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.repository import ConfigSet, ModelConfig
from autotune.server import ModelStatistics
from autotune.simulator import Batching, Pipeline, ServiceTimes, Stage
from autotune.space import Candidate, JointSpace
from tests.fakes.service_windows import window

OUTSIDE_S = 0.0003
"""Seconds of a request outside of the models."""


@dataclass(frozen=True)
class Model:
    """A batch of b items takes host_s on its instance, then fixed_s + b * item_s on the device if it has one.

    Attributes:
        after: Places of the steps that it waits for, in a pipeline.
        weight: Its part of the requests, of several models.
    """

    host_s: float
    fixed_s: float
    item_s: float
    shares: bool = True
    after: tuple[int, ...] = ()
    weight: float = 1.0


@dataclass(frozen=True)
class Device:
    """Models that are served together, and what a study would see of them.

    Attributes:
        models: By name, steps in order.
        base: Their configs.
        space: What is searched.
        objective: With shares if they are several models rather than a pipeline.
    """

    models: Mapping[str, Model]
    base: ConfigSet
    space: JointSpace
    objective: Objective

    def rate_per_s(self, candidate: Candidate, requests: int = 20_000) -> float:
        """What a config truly sustains, as exactly as so many requests show."""
        return self._pipeline(requests, seed=7).highest_rate(self._stages(candidate)).rate_per_s

    def trial(self, candidate: Candidate, rate_per_s: float) -> TrialOutcome:
        """A trial with the windows that a study runs: a lone request, sizes, and a profile."""
        probes = [self._window(candidate, "screen", 1), self._sizes(candidate)]
        probes += [self._window(candidate, "profile", concurrency) for concurrency in (2, 8, 32, 64)]
        measurement = Measurement(
            feasible=True,
            rate_per_s=rate_per_s,
            first_failing_per_s=None,
            latency_s={},
            ceilings=self.objective.ceilings,
            violations={},
            decided_by=probes[-1],
            probes=tuple(probes),
            seconds=1.0,
        )
        configs = {name: self._config(candidate, name).to_text() for name in self.models}
        return TrialOutcome(OutcomeKind.FEASIBLE, candidate, configs, measurement)

    def _config(self, candidate: Candidate, name: str) -> ModelConfig:
        config = self.base.get(name)
        assert config is not None
        return self.space.spaces[name].apply(self.space.part(candidate, name), config)

    def _stages(self, candidate: Candidate, *, alone: bool = False) -> list[Stage]:
        stages = []
        for place, (name, model) in enumerate(self.models.items()):
            batching = Batching.of(self._config(candidate, name))
            assert batching is not None
            times_s = model.fixed_s + model.item_s * np.arange(1, 65)
            host_s, device_s = np.full(64, model.host_s), times_s
            if not model.shares:
                host_s, device_s = host_s + device_s, np.zeros(64)
            service = ServiceTimes(host_s, device_s, np.zeros(1), np.ones(1)).varying(0.05)
            stages.append(Stage(batching, service, model.after, device=place + 1 if alone else 0))
        return stages

    def _pipeline(self, requests: int, seed: int) -> Pipeline:
        objective = self.objective
        return Pipeline(objective.ceilings, np.full(1, OUTSIDE_S), 0.0, requests, seed, shares=objective.shares)

    def _window(self, candidate: Candidate, purpose: Purpose, concurrency: int) -> Probe:
        stages, requests = self._stages(candidate), 2000
        sent_s = np.empty(requests)
        latency_s, runner = self._pipeline(requests, seed=concurrency).run(stages, sent_s, concurrency)
        alone = [each.service.host_s + each.service.device_s for each in stages]
        seen = []
        for place, taking_s in enumerate(alone):
            count = {
                int(size): int(runner.executions[place, size]) for size in np.flatnonzero(runner.executions[place])
            }
            longer = runner.busy_s[place] / sum(times * taking_s[size - 1] for size, times in count.items())
            compute_ns = {size: round(1e9 * times * taking_s[size - 1] * longer) for size, times in count.items()}
            seen.append(_statistics(count, compute_ns))
        duration_s = float((sent_s + latency_s).max())
        return self._probe(purpose, concurrency, duration_s, latency_s, stages, seen)

    def _sizes(self, candidate: Candidate) -> Probe:
        stages = self._stages(candidate)
        seen = []
        for each in stages:
            count = dict.fromkeys((1, 2, 4, 8, 16, 32, 64), 10)
            count = {size: times for size, times in count.items() if size <= each.batching.max_batch_size}
            taking_s = each.service.host_s + each.service.device_s
            seen.append(_statistics(count, {size: round(1e10 * taking_s[size - 1]) for size in count}))
        return self._probe("sizes", 1, 1.0, np.full(10, 0.01), stages, seen)

    def _probe(
        self,
        purpose: Purpose,
        concurrency: int,
        duration_s: float,
        latency_s: np.ndarray,
        stages: Sequence[Stage],
        seen: Sequence[ModelStatistics],
    ) -> Probe:
        names, shares = list(self.models), self.objective.shares
        found = window({1: 50}, {1: 0.001}, purpose=purpose, schedule=ClosedLoop(concurrency), duration_s=duration_s)
        values = {"p99": float(np.quantile(latency_s, 0.99)), "avg": float(latency_s.mean())}
        for name, server in zip(names, seen, strict=True):
            values[latency_key("avg", name)] = OUTSIDE_S + server.request_ns / server.success_count / 1e9
        steps, streams = [], []
        for name, stage, server in zip(names, stages, seen, strict=True):
            batching = stage.batching
            steps.append(StepWindow(Step(name, batching.instances, batching.max_batch_size, stage.after), server))
            own = Stream(name, shares.get(name, 0.0), batching.instances)
            streams.append(StreamWindow(own, 1.0, 1.0, server.success_count, 0, kept_up=True, server=server))
        return replace(
            found.probe,
            latency_s=values,
            histogram=((float(np.median(latency_s)), len(latency_s)), (np.inf, 0)),
            steps=() if shares else tuple(steps),
            streams=tuple(streams) if shares else (),
            server=replace(found.probe.server, success_count=50),
        )


def _statistics(count: Mapping[int, int], compute_ns: Mapping[int, int]) -> ModelStatistics:
    requests = sum(size * times for size, times in count.items())
    in_all_ns = sum(size * compute_ns[size] for size in count)
    return ModelStatistics(
        success_count=requests,
        inference_count=requests,
        execution_count=sum(count.values()),
        batch_executions=dict(count),
        batch_compute_ns=dict(compute_ns),
        request_ns=in_all_ns,
    )
