"""Models that share a device: how much they slow each other is learnt, and their configs are forecast together."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import optuna
import pytest
from shared_device import Device, Model

from autotune.objective import Ceiling, Objective
from autotune.outcome import TrialOutcome
from autotune.prediction import PredictionOptions, Predictor
from autotune.prediction._pipeline_space import PipelineSpace
from autotune.repository import ConfigSet, ModelConfig
from autotune.simulator import Prediction
from autotune.space import Candidate, JointSpace, SearchSpace

SPACE = """
parameters:
  max_batch_size: [1, 8, 32]
  dynamic_batching: true
  instance_count: [1, 2, 3]
"""
BATCHED = 'backend: "python" max_batch_size: 8 dynamic_batching {} instance_group { count: 1 kind: KIND_CPU }'


def device(models: dict[str, Model], objective: Objective) -> Device:
    base = [ModelConfig.parse(f'name: "{name}" {BATCHED}', "config.pbtxt") for name in models]
    space = JointSpace({name: SearchSpace.parse(SPACE, "space.yaml") for name in models})
    return Device(models, ConfigSet.of(*base), space, objective)


TWO_MODELS = device(
    {
        "fast": Model(0.0005, 0.001, 0.0001, weight=4),
        "slow": Model(0.010, 0.006, 0.0005, weight=1),
    },
    Objective(
        "throughput",
        (Ceiling("p99", 0.02, "fast"), Ceiling("p99", 0.1, "slow")),
        weights=(("fast", 4.0), ("slow", 1.0)),
    ),
)
ALL_ON_THE_DEVICE = device(
    {"fast": Model(0.0001, 0.001, 0.0001), "slow": Model(0.0001, 0.006, 0.0005)}, TWO_MODELS.objective
)
NOTHING_SHARED = device(
    {"fast": Model(0.0005, 0.001, 0.0001, shares=False), "slow": Model(0.01, 0.006, 0.0005, shares=False)},
    TWO_MODELS.objective,
)
PIPELINE = device(
    {
        "preprocess": Model(0.008, 0.0, 0.0001, shares=False),
        "detect": Model(0.001, 0.003, 0.0004, after=(0,)),
        "classify": Model(0.0005, 0.002, 0.0003, after=(1,)),
    },
    Objective("throughput", (Ceiling("p99", 0.06),)),
)


def trials_until(subject: Device, good_per_s: float, proposed: Iterator[Candidate]) -> int:
    for number, candidate in enumerate(proposed, 1):
        if subject.rate_per_s(candidate, 5000) >= good_per_s:
            return number
    raise AssertionError("the candidates ended before a good one")


def simulated(subject: Device, trials: int) -> Iterator[Candidate]:
    """The written config, then what the predictor proposes after each trial."""
    predictor = Predictor.of_pipeline(subject.space, subject.base, subject.objective)
    candidate = subject.space.locate(subject.base)
    seen: list[TrialOutcome] = []
    for _ in range(trials):
        assert candidate is not None
        yield candidate
        seen.append(subject.trial(candidate, subject.rate_per_s(candidate, 5000)))
        predictor.learn(seen)
        assert predictor.ready, predictor.inapplicable
        tried = {each.candidate for each in seen}
        candidate = next(each for each in predictor.proposals() if each not in tried)


def by_tpe(subject: Device, trials: int, seed: int) -> Iterator[Candidate]:
    """The written config, then what Optuna's TPE proposes."""
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    written = subject.space.locate(subject.base)
    assert written is not None
    study.enqueue_trial(subject.space.optuna_params(written))
    for _ in range(trials):
        trial = study.ask(subject.space.distributions())
        candidate = subject.space.canonical(trial.params)
        yield candidate
        study.tell(trial, subject.rate_per_s(candidate, 5000))


@pytest.mark.parametrize(
    "subject",
    [
        pytest.param(TWO_MODELS, id="two-models"),
        pytest.param(ALL_ON_THE_DEVICE, id="all-on-the-device"),
        pytest.param(NOTHING_SHARED, id="nothing-shared"),
        pytest.param(PIPELINE, id="two-steps-of-three"),
    ],
)
def test_rates_are_forecast_within_7_percent_after_three_trials(subject: Device) -> None:
    random = np.random.default_rng(0)
    predictor = Predictor.of_pipeline(subject.space, subject.base, subject.objective)
    seen = [subject.trial(each, subject.rate_per_s(each, 5000)) for each in itertools.islice(simulated(subject, 3), 3)]
    parts = list(SearchSpace.parse(SPACE, "space.yaml").candidates())
    candidate, others = seen[0].candidate, []
    assert candidate is not None
    for _ in range(9):
        for name in subject.models:
            candidate = subject.space.with_part(candidate, name, parts[random.integers(len(parts))])
        others.append(candidate)
    # other candidates are forecast once a trial has tried them: here one whose measurement shows no windows
    predictor.learn(seen, elsewhere=[replace(seen[0], candidate=each, measurement=None) for each in others])
    forecasts = [predictor.forecast(each) for each in others]
    true = [subject.rate_per_s(each) for each in others]
    errors = [abs(each.simulated / rate - 1) for each, rate in zip(forecasts, true, strict=True) if each is not None]
    assert len(errors) == len(others)
    assert np.median(errors) < 0.07


def test_the_joint_optimum_of_two_models_takes_fewer_trials_than_without_a_forecast() -> None:
    subject = TWO_MODELS
    rates = [subject.rate_per_s(each, 5000) for each in subject.space.coarse.candidates()]
    good_per_s = 0.97 * max(rates)
    forecast = trials_until(subject, good_per_s, simulated(subject, 10))
    without = [trials_until(subject, good_per_s, by_tpe(subject, 200, seed)) for seed in range(5)]
    assert forecast <= 4
    assert forecast < np.median(without) / 2


def test_a_model_that_gets_no_request_of_a_simulated_window_breaks_no_forecast() -> None:
    """As one that is asked a millionth as often as the other."""
    configs = PipelineSpace(TWO_MODELS.space, TWO_MODELS.base, TWO_MODELS.objective, 0, PredictionOptions())
    assert configs.over_ceiling(Prediction(100.0, 100.0, {"p99 of fast": 0.01}, 1.0)) == 0.5
