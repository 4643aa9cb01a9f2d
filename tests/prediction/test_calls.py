"""Forecasts of a model that calls others, learnt from what the called models' statistics show."""

import itertools
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
from autotune.repository import ConfigSet, ModelConfig
from autotune.space import Candidate, JointSpace, SearchSpace

OBJECTIVE = Objective("throughput", (Ceiling("p99", 0.06),))
SPACE = "parameters:\n  dynamic_batching: [true, false]\n  instance_count: [1, 2, 4]\n"
TAKING_S = {"slow": 0.012, "fast": 0.003}
OWN_S = 0.001


def config(name: str) -> ModelConfig:
    text = f'name: "{name}" backend: "python" max_batch_size: 8 instance_group {{ count: 1 kind: KIND_CPU }}'
    return ModelConfig.parse(text, "config.pbtxt")


BASE = ConfigSet.of(config("main"), config("slow"), config("fast"))


@pytest.fixture
def space() -> JointSpace:
    return JointSpace({each.name: SearchSpace.parse(SPACE, "space.yaml") for each in BASE})


def called(name: str, calls: int) -> StepWindow:
    server = window({1: calls}, {1: TAKING_S[name]}, purpose="profile").probe.server
    return StepWindow(Step(name, 1, 8), replace(server, success_count=calls, request_ns=server.request_ns))


def probe(concurrency: int, times: int = 1, execution_s: float = OWN_S + sum(TAKING_S.values())) -> Probe:
    """A window of 50 requests that call each model so many times."""
    latency_s = execution_s + 0.0005
    found = window(
        {1: 50},
        {1: execution_s},
        purpose="screen" if concurrency == 1 else "profile",
        schedule=ClosedLoop(concurrency),
        histogram=((latency_s, 50), (np.inf, 0)),
    ).probe
    server = replace(found.server, success_count=50, request_ns=round(5e10 * execution_s))
    steps = [called(name, 50 * times) for name in TAKING_S]
    steps = [
        replace(each, server=replace(each.server, request_ns=round(5e10 * times * TAKING_S[each.step.model])))
        for each in steps
    ]
    return replace(found, called=tuple(steps), latency_s={"p99": latency_s}, server=server)


def trial(candidate: Candidate | None, *probes: Probe) -> TrialOutcome:
    return trial_of(candidate, BASE, OBJECTIVE, 40.0, *probes)


def test_the_model_that_calls_gets_instances_and_so_does_the_slow_one_that_it_calls(space: JointSpace) -> None:
    written = space.locate(BASE)
    assert written is not None
    predictor = Predictor.of_pipeline(space, BASE, OBJECTIVE)
    predictor.learn([trial(written, probe(1), probe(16))])
    assert predictor.ready
    proposed = next(iter(predictor.proposals()))
    assert (proposed["main/instance_count"], proposed["slow/instance_count"]) == (4, 4)
    known = predictor.forecast(written), predictor.forecast(proposed)
    assert known[0] is not None
    assert known[1] is not None
    assert known[0].simulated < 1 / 0.016
    assert known[1].simulated > 3 * known[0].simulated


def test_calls_side_by_side_take_the_time_of_the_longest(space: JointSpace) -> None:
    written = space.locate(BASE)
    assert written is not None

    def forecast_per_s(execution_s: float) -> float:
        predictor = Predictor.of_pipeline(space, BASE, OBJECTIVE)
        predictor.learn([trial(written, probe(1, execution_s=execution_s))])
        found = predictor.forecast(written)
        assert found is not None
        return found.simulated

    assert forecast_per_s(0.013) > 1.15 * forecast_per_s(0.016)


def test_a_model_that_calls_another_several_times_is_left_to_another_sampler(space: JointSpace) -> None:
    predictor = Predictor.of_pipeline(space, BASE, OBJECTIVE)
    predictor.learn([trial(space.locate(BASE), probe(1, times=3, execution_s=0.046))])
    assert not predictor.ready
    assert "a request to main calls slow 3 times, not once" in predictor.inapplicable


def test_of_configs_that_are_simulated_alike_one_is_proposed(space: JointSpace) -> None:
    predictor = Predictor.of_pipeline(space, BASE, OBJECTIVE)
    predictor.learn([trial(space.locate(BASE), probe(1), probe(16))])
    first = list(itertools.islice(predictor.proposals(), 5))
    assert len({tuple(each[f"{model}/instance_count"] for model in space.spaces) for each in first}) == 5
