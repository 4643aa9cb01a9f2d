"""Pipelines: the departures of one step are the arrivals of the next."""

import numpy as np
import pytest

from autotune.objective import Ceiling
from autotune.simulator import Batching, Pipeline, ServiceTimes, Stage, highest_rate

CEILINGS = [Ceiling("p99", 0.06)]


def service(fixed_s: float, item_s: float = 0.0) -> ServiceTimes:
    host_s = fixed_s + item_s * np.arange(1, 33)
    return ServiceTimes(host_s, np.zeros(32), overhead_s=np.array([0.001]), spread=np.ones(1)).varying(0.05)


def pipeline(**changes: object) -> Pipeline:
    return Pipeline(CEILINGS, np.array([0.001]), **changes)  # type: ignore[arg-type]


def three_steps(first_instances: int) -> list[Stage]:
    return [
        Stage(Batching(1, dynamic=False, instances=first_instances), service(0.012)),
        Stage(Batching(16, dynamic=True), service(0.003, 0.0004), (0,)),
        Stage(Batching(8, dynamic=True), service(0.0005), (1,)),
    ]


def test_a_pipeline_of_one_step_is_that_step() -> None:
    batching, times = Batching(32, dynamic=True, instances=2), service(0.004, 0.0005)
    alone = highest_rate(batching, times, CEILINGS)
    assert pipeline().highest_rate([Stage(batching, times)]).rate_per_s == pytest.approx(alone.rate_per_s, rel=0.03)


def test_the_slowest_step_bounds_the_rate_and_more_instances_of_it_raise_it() -> None:
    rates = [pipeline().highest_rate(three_steps(instances)).rate_per_s for instances in (1, 2, 4)]
    assert rates[0] < 1 / 0.012
    assert rates[1] > 1.8 * rates[0]
    assert rates[2] > 1.8 * rates[1]


def test_branches_run_side_by_side_and_a_join_waits_for_the_slower() -> None:
    fast, slow = service(0.001), service(0.02)
    plain = Batching(1, dynamic=False, instances=8)
    joined = [Stage(plain, fast), Stage(plain, slow, (0,)), Stage(plain, fast, (0,)), Stage(plain, fast, (1, 2))]
    arrivals_s = np.arange(50) * 1.0
    latency_s, _ = pipeline(requests=50).run(joined, arrivals_s)
    assert latency_s == pytest.approx(np.full(50, 0.023), rel=0.1)


def test_the_cpu_time_of_a_request_bounds_the_rate() -> None:
    assert pipeline(cpu_s=0.01).highest_rate(three_steps(4)).rate_per_s < 100


def test_a_step_that_takes_longer_than_the_ceiling_sustains_nothing() -> None:
    assert pipeline().highest_rate([Stage(Batching(1, dynamic=False), service(0.1))]).rate_per_s == 0


def caller(instances: int, called_instances: int = 4) -> list[Stage]:
    """A model that takes 1 ms and calls one of 10 ms, then one of 2 ms."""
    fixed = [ServiceTimes(np.array([each]), np.zeros(1), np.zeros(1), np.ones(1)) for each in (0.001, 0.010, 0.002)]
    plain = Batching(1, dynamic=False, instances=called_instances)
    return [
        Stage(Batching(1, dynamic=False, instances=instances), fixed[0], calls=True),
        Stage(plain, fixed[1], (0,)),
        Stage(plain, fixed[2], (1,)),
    ]


def test_a_model_that_calls_others_is_one_server_that_takes_its_calls_time_too() -> None:
    arrivals_s = np.cumsum(np.random.default_rng(0).exponential(0.02, 500))
    ended_s, expected_s = 0.0, []
    for arrived_s in arrivals_s:  # Lindley's recursion: the next request begins when the last one has ended
        ended_s = max(ended_s, arrived_s) + 0.013
        expected_s.append(ended_s - arrived_s + 0.001)
    latency_s, _ = pipeline(requests=500).run(caller(1), arrivals_s)
    assert latency_s == pytest.approx(expected_s)


def test_the_instances_of_a_model_that_calls_others_bound_the_rate_until_a_called_model_does() -> None:
    rates = [pipeline().highest_rate(caller(instances)).rate_per_s for instances in (1, 2, 8)]
    assert rates[0] < 1 / 0.013 < rates[1] < 2 / 0.013 < rates[2] < 4 / 0.010
    assert pipeline().highest_rate(caller(8, called_instances=1)).rate_per_s < 1 / 0.010


def test_a_closed_loop_sends_what_waits_for_a_model_that_calls_others_when_one_of_its_instances_is_free() -> None:
    latency_s, runner = pipeline(requests=400).run(caller(2), np.empty(400), concurrency=8)
    assert latency_s == pytest.approx(np.full(400, 0.014))
    assert runner.busy_s == pytest.approx([0.4, 4.0, 0.8])
