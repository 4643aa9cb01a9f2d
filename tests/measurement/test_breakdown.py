import math
from dataclasses import replace

import pytest

from autotune.load import ClosedLoop, PoissonRate
from autotune.measurement import (
    Breakdown,
    ClientTimes,
    Disturbance,
    DisturbanceKind,
    Evidence,
    Limit,
    LimitKind,
    Probe,
    Serving,
    Step,
    StepWindow,
    breakdown,
)
from autotune.measurement._limit import limited_by
from autotune.measurement._types import Usage
from autotune.server import ModelStatistics

SERVER = ModelStatistics(
    inference_count=1000,
    execution_count=250,
    success_count=1000,
    queue_ns=1000 * 2_000_000,
    compute_input_ns=1000 * 100_000,
    compute_infer_ns=1000 * 900_000,
    compute_output_ns=1000 * 50_000,
    batch_executions={4: 250},
    batch_compute_ns={4: 250 * 1_050_000},
)


def probe(rate: float = 1000.0, **changes) -> Probe:
    base = Probe(
        purpose="locate",
        schedule=PoissonRate(rate, seed=1),
        started_at=0.0,
        duration_s=1.0,
        offered_per_s=rate,
        achieved_per_s=rate,
        requests=1000,
        errors={},
        latency_s={"p99": 0.004},
        lateness_p99_s=0.0001,
        server=SERVER,
        kept_up=True,
        holds=True,
        client=ClientTimes(total_s=0.0035, wait_s=0.00002, send_s=0.00001, receive_s=0.00003),
    )
    return replace(base, **changes)


def total_s(parts: Breakdown) -> float:
    return sum(getattr(parts, name) for name in parts.__dataclass_fields__ if name.endswith("_s"))


def test_parts_add_up_to_the_mean_latency():
    parts = breakdown(probe())
    assert parts is not None
    assert parts.client_send_s == pytest.approx(0.00003)
    assert parts.queue_s == pytest.approx(0.002)
    assert parts.compute_infer_s == pytest.approx(0.0009)
    assert total_s(parts) == pytest.approx(0.0035)
    assert parts.network_s == pytest.approx(0.0035 - 0.00006 - 0.00305)


def test_network_is_never_negative_where_the_clocks_disagree():
    parts = breakdown(probe(client=ClientTimes(0.003, 0.0, 0.0, 0.0)))
    assert parts is not None
    assert parts.network_s == 0.0
    assert total_s(parts) == pytest.approx(0.003)
    assert parts.queue_s / parts.compute_infer_s == pytest.approx(2 / 0.9)


def test_a_decoupled_execution_that_outlasts_the_first_response_is_cut_to_it():
    streamed = probe(decoupled=True, client=ClientTimes(total_s=0.0035, wait_s=0, send_s=0, receive_s=0.001))
    parts = breakdown(streamed)
    assert parts is not None
    assert parts.queue_s == pytest.approx(0.002)
    assert parts.compute_infer_s == pytest.approx(0.0035 - 0.001 - 0.002 - 0.00015)
    assert total_s(parts) == pytest.approx(0.0035)


def step(model: str, queue_ms: float, compute_ms: float, *after: int, instances: int = 1) -> StepWindow:
    queue_ns, compute_ns = round(queue_ms * 1e6), round(compute_ms * 1e6)
    server = ModelStatistics(
        inference_count=100,
        execution_count=50,
        success_count=100,
        request_ns=100 * (queue_ns + compute_ns),
        queue_ns=100 * queue_ns,
        compute_infer_ns=100 * compute_ns,
        batch_executions={2: 50},
        batch_compute_ns={2: 50 * compute_ns},
    )
    return StepWindow(Step(model, instances, 4, after), server)


ENSEMBLE = ModelStatistics(success_count=100, request_ns=100 * 30_000_000, compute_infer_ns=100 * 12_000_000)


def test_what_limits_a_model_that_calls_others_is_the_called_one_that_is_always_busy():
    failing = probe(1200, holds=False, called=(step("quick", 0.1, 0.2), step("slow", 15, 19.6)))
    limit = limited_by([probe(), failing], probe(), 1)
    assert limit is not None
    assert (limit.kind, limit.model) == (LimitKind.INSTANCES, "slow")
    idle = probe(1200, holds=False, called=(step("quick", 0.1, 0.2),))
    limit = limited_by([probe(), idle], probe(), 1)
    assert limit is None or limit.model == ""


def test_an_ensembles_parts_are_those_of_the_steps_on_its_slowest_way():
    steps = (step("read", 1, 2), step("left", 1, 3, 0), step("right", 15, 5, 0), step("join", 1, 2, 1, 2))
    parts = breakdown(probe(server=ENSEMBLE, steps=steps, client=ClientTimes(0.031, 0.0, 0.0, 0.0)))
    assert parts is not None
    assert parts.queue_s == pytest.approx(0.017)
    assert parts.compute_infer_s == pytest.approx(0.009)
    assert total_s(parts) == pytest.approx(0.031)
    assert [each.decides for each in parts.steps] == [True, False, True, True]
    assert parts.bottleneck is not None
    assert (parts.bottleneck.model, parts.bottleneck.mean_batch) == ("right", 2.0)


def test_what_limits_an_ensemble_is_its_bottleneck():
    failing = probe(1200, holds=False, server=ENSEMBLE, steps=(step("fast", 0.1, 2), step("slow", 15, 19.6, 0)))
    limit = limited_by([probe(), failing], probe(), 1)
    assert (limit.kind, limit.model, limit.instances) == (LimitKind.INSTANCES, "slow", 1)
    assert limit.busy == pytest.approx(0.98)


def test_no_breakdown_where_nothing_was_answered():
    assert breakdown(probe(client=None)) is None
    assert breakdown(probe(server=ModelStatistics())) is None


def test_busy_instances_limit():
    failing = probe(1200, holds=False, server=replace(SERVER, batch_compute_ns={4: 1_900_000_000}))
    limit = limited_by([probe(), failing], probe(), 2)
    assert limit.kind is LimitKind.INSTANCES
    assert (limit.instances, limit.mean_batch) == (2, 4.0)
    assert limit.busy == pytest.approx(0.95)


def test_idle_instances_with_waiting_requests_are_limited_by_the_queue():
    limit = limited_by([probe(), probe(1200, holds=False)], probe(), 1)
    assert limit.kind is LimitKind.QUEUE
    assert limit.queue_s == pytest.approx(0.002)


def test_slow_executions_that_nobody_waits_for_limit():
    failing = probe(1200, holds=False, server=replace(SERVER, queue_ns=0))
    limit = limited_by([probe(), failing], probe(), 1)
    assert limit.kind is LimitKind.EXECUTION
    assert limit.compute_s == pytest.approx(0.00105)


def late(allowed: float = 0.01) -> tuple[Evidence, ...]:
    return (Evidence("p99 <= 5ms", allowed, 1000, 20, 1.0, 0.0, 0.0, math.inf),)


def test_errors_that_the_server_answers_limit_where_they_are_more_than_may_be_late():
    full = probe(1200, holds=False, errors={"http 503": 20}, error_example="http 503: full", evidence=late())
    limit = limited_by([probe(), full], probe(), 1, serving=Serving(queue_size=1))
    assert limit == Limit(LimitKind.ERRORS, failed=0.02, queue_size=1, text="http 503: full")


def test_a_window_that_failed_without_errors_does_not_hide_those_of_the_others():
    full = probe(1300, holds=False, errors={"http 503": 20}, evidence=late())
    slow = probe(1200, holds=False, evidence=late())
    assert limited_by([probe(), slow, full], probe(), 1).kind is LimitKind.ERRORS
    assert limited_by([probe(), slow, slow, full], probe(), 1).kind is LimitKind.QUEUE


@pytest.mark.parametrize("errors", [{"http 503": 5}, {"timeout": 500}, {"unsent": 500}])
def test_few_errors_and_slow_answers_are_not_the_limit(errors: dict[str, int]):
    failing = probe(1200, holds=False, errors=errors, evidence=late())
    assert limited_by([probe(), failing], probe(), 1).kind is LimitKind.QUEUE


BUSY = (Disturbance(DisturbanceKind.CLIENT_BUSY, 0.85, 0.7),)


def test_a_busy_client_is_the_limit_where_it_disturbed_every_failing_window():
    spoiled = probe(1200, holds=False, invalid=BUSY)
    assert limited_by([probe(), spoiled], probe(), 1) == Limit(LimitKind.CLIENT, disturbance=BUSY[0])
    fair = probe(1300, holds=False)
    assert limited_by([probe(), spoiled, fair], probe(), 1).kind is not LimitKind.CLIENT


def test_closed_loops_and_lower_rates_say_nothing_about_the_limit():
    closed = probe(schedule=ClosedLoop(8), holds=False, invalid=BUSY)
    lower = probe(900, holds=False, invalid=BUSY)
    assert limited_by([closed, lower, probe()], probe(), 1).kind is not LimitKind.CLIENT


def test_a_think_time_that_is_used_up_limits():
    busy = probe(schedule=ClosedLoop(8, client_s=0.00095))  # of the 1,000/s
    limit = limited_by([busy], busy, 1)
    assert limit.kind is LimitKind.THINK_TIME
    assert limit.most_per_s == pytest.approx(1 / 0.00095)
    idle = limited_by([], probe(schedule=ClosedLoop(8, client_s=0.0003)), 1)
    assert idle.kind is not LimitKind.THINK_TIME


def crowded(client_cpu: float, server_cpu_s: float, **changes) -> Probe:
    usage = Usage(client_cpu=client_cpu, server_cpu_s=server_cpu_s, cores=2, seconds=1.25)
    return probe(1200, holds=False, usage=replace(usage, **changes))


def test_a_client_that_takes_the_cores_that_the_server_needs_limits():
    failing = crowded(client_cpu=0.4, server_cpu_s=1.9)
    limit = limited_by([probe(), failing], probe(), 1)
    assert (limit.kind, limit.cores) == (LimitKind.CORES, 2)
    assert limit.busy == pytest.approx(0.96)
    assert limit.client == pytest.approx(0.2)


@pytest.mark.parametrize(
    "failing",
    [
        pytest.param(crowded(client_cpu=0.4, server_cpu_s=1.7), id="cores to spare"),
        pytest.param(crowded(client_cpu=0.1, server_cpu_s=2.3), id="a light client"),
        pytest.param(crowded(client_cpu=0.4, server_cpu_s=1.9, seconds=None), id="not kept"),
        pytest.param(probe(1200, holds=False), id="not seen"),
    ],
)
def test_a_client_that_is_not_in_the_way_does_not_limit(failing: Probe):
    assert limited_by([probe(), failing], probe(), 1).kind is not LimitKind.CORES
