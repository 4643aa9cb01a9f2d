"""Forecasts of a pipeline's configs, learnt from what its steps' statistics show."""

from dataclasses import replace

import numpy as np
import pytest
from service_windows import trial_of, window

from autotune.load import ClosedLoop
from autotune.measurement import Probe
from autotune.measurement._serving import Step, StepWindow
from autotune.objective import Ceiling, Objective
from autotune.outcome import TrialOutcome
from autotune.prediction import Predictor
from autotune.repository import ConfigSet, ModelConfig, RequestShapes
from autotune.space import Candidate, JointSpace, SearchSpace

OBJECTIVE = Objective("throughput", (Ceiling("p99", 0.06),))
SPACE = """
parameters:
  max_batch_size: [1, 8]
  dynamic_batching: [true, false]
  max_queue_delay_microseconds: [0, 1000]
  instance_count: [1, 2, 4]
"""
TAKING_S = {"slow": {1: 0.012, 8: 0.096}, "fast": {1: 0.001, 8: 0.0015}}


def config(name: str, text: str) -> ModelConfig:
    return ModelConfig.parse(f'name: "{name}" {text}', "config.pbtxt")


BATCHED = 'backend: "python" max_batch_size: 8 instance_group { count: 1 kind: KIND_CPU }'
BASE = ConfigSet.of(
    config("both", 'platform: "ensemble" max_batch_size: 1 ensemble_scheduling { step [] }'),
    config("slow", BATCHED),
    config("fast", BATCHED),
)


@pytest.fixture
def space() -> JointSpace:
    return JointSpace({name: SearchSpace.parse(SPACE, "space.yaml") for name in ("slow", "fast")})


def probe(size: int, concurrency: int) -> Probe:
    latency_s = sum(each[size] for each in TAKING_S.values()) + 0.0005
    steps = [
        StepWindow(
            Step(name, 1, 8, (0,) if name == "fast" else ()), window({size: 50}, times, purpose="profile").probe.server
        )
        for name, times in TAKING_S.items()
    ]
    steps = [
        replace(
            each, server=replace(each.server, success_count=50 * size, request_ns=round(5e10 * size * latency_s / 2))
        )
        for each in steps
    ]
    found = window(
        {1: 50},
        {1: latency_s},
        purpose="screen" if concurrency == 1 else "profile",
        schedule=ClosedLoop(concurrency),
        histogram=((latency_s, 50), (np.inf, 0)),
    ).probe
    return replace(
        found,
        steps=tuple(steps),
        latency_s={"p99": latency_s},
        server=replace(found.server, success_count=50),
    )


def trial(candidate: Candidate | None, rate_per_s: float) -> TrialOutcome:
    return trial_of(candidate, BASE, OBJECTIVE, rate_per_s, probe(1, 1), probe(8, 32))


def test_the_slow_step_gets_instances_and_the_fast_one_is_left_alone(space: JointSpace) -> None:
    written = space.locate(BASE)
    assert written is not None
    predictor = Predictor.of_pipeline(space, BASE, OBJECTIVE)
    predictor.learn([trial(written, 45.0)])
    assert predictor.ready
    proposed = next(iter(predictor.proposals()))
    assert proposed["slow/instance_count"] == 4
    forecasts = {each: predictor.forecast(each) for each in (written, proposed)}
    assert all(forecasts.values())
    assert forecasts[proposed].expected > 3 * forecasts[written].expected  # type: ignore[union-attr]
    assert space.part(proposed, "fast") == space.part(written, "fast")


def test_requests_of_different_shapes_are_not_forecast_to_share_batches(space: JointSpace) -> None:
    tensors = 'input [ { name: "image" data_type: TYPE_UINT8 dims: [ -1 ] } ]'
    slow = config("slow", f"{BATCHED} {tensors}")
    steps = 'step [ { model_name: "slow" input_map { key: "image" value: "file" } }, { model_name: "fast" } ]'
    both = config("both", f'platform: "ensemble" max_batch_size: 8 ensemble_scheduling {{ {steps} }}')
    base = ConfigSet.of(both, slow, config("fast", BATCHED))
    written = space.locate(base)
    assert written is not None
    assert not written["slow/dynamic_batching"]
    batched = Candidate.from_dict({**written.as_dict(), "slow/dynamic_batching": True})

    def forecast_per_s(requests: RequestShapes | None, candidate: Candidate) -> float:
        predictor = Predictor.of_pipeline(space, base, OBJECTIVE, requests=requests)
        predictor.learn([trial(written, 45.0)], elsewhere=[trial(batched, 45.0)])
        found = predictor.forecast(candidate)
        assert found is not None
        return found.simulated

    alike, different = (RequestShapes({"file": (1, 10 + step * i)} for i in range(16)) for step in (0, 1))
    alone_per_s = forecast_per_s(different, written)
    assert forecast_per_s(different, batched) == pytest.approx(alone_per_s, rel=0.1)
    assert forecast_per_s(alike, batched) == forecast_per_s(None, batched) < 0.8 * alone_per_s


def test_a_field_that_is_not_simulated_leaves_a_pipeline_to_another_sampler(space: JointSpace) -> None:
    fields = SearchSpace.parse(SPACE + "fields:\n  parameters.threads: ['1', '2']\n", "space.yaml")
    predictor = Predictor.of_pipeline(JointSpace({**space.spaces, "slow": fields}), BASE, OBJECTIVE)
    assert "slow/parameters.threads" in predictor.inapplicable


def test_without_its_steps_statistics_nothing_is_forecast(space: JointSpace) -> None:
    seen = trial(space.locate(BASE), 45.0)
    assert seen.measurement is not None
    bare = replace(seen.measurement, probes=tuple(replace(each, steps=()) for each in seen.measurement.probes))
    predictor = Predictor.of_pipeline(space, BASE, OBJECTIVE)
    predictor.learn([replace(seen, measurement=bare)])
    assert not predictor.ready
