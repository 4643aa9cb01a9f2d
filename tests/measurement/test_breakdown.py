from dataclasses import replace

import pytest

from autotune.load import ClosedLoop, PoissonRate
from autotune.measurement import ClientTimes, Probe, breakdown
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


def test_parts_add_up_to_the_mean_latency():
    parts = breakdown(probe())
    assert parts is not None
    assert parts.client_send_s == pytest.approx(0.00003)
    assert parts.queue_s == pytest.approx(0.002)
    assert parts.compute_infer_s == pytest.approx(0.0009)
    total = sum(getattr(parts, name) for name in parts.__dataclass_fields__)
    assert total == pytest.approx(0.0035)
    assert parts.network_s == pytest.approx(0.0035 - 0.00006 - 0.00305)


def test_network_is_never_negative_where_the_clocks_disagree():
    parts = breakdown(probe(client=ClientTimes(0.003, 0.0, 0.0, 0.0)))
    assert parts is not None
    assert parts.network_s == 0.0


def test_no_breakdown_where_nothing_was_answered():
    assert breakdown(probe(client=None)) is None
    assert breakdown(probe(server=ModelStatistics())) is None


def test_busy_instances_are_limited_by_compute():
    failing = probe(1200, holds=False, server=replace(SERVER, batch_compute_ns={4: 1_900_000_000}))
    assert limited_by([probe(), failing], probe(), 2) == (
        "compute: 2 instances are busy 95% of the time, in batches of 4.0"
    )


def test_idle_instances_with_waiting_requests_are_limited_by_queueing():
    failing = probe(1200, holds=False)
    limit = limited_by([probe(), failing], probe(), 1)
    assert limit.startswith("queueing: requests wait 2 ms while the instance is busy")


def test_slow_executions_that_nobody_waits_for_are_limited_by_compute():
    failing = probe(1200, holds=False, server=replace(SERVER, queue_ns=0))
    assert limited_by([probe(), failing], probe(), 1).startswith("compute: an execution takes 1.1 ms")


def test_a_busy_client_is_the_limit_where_it_spoiled_every_failing_window():
    spoiled = probe(1200, holds=False, invalid=("the client was busy: 85% of a core",))
    assert limited_by([probe(), spoiled], probe(), 1) == "client: the client was busy: 85% of a core"
    fair = probe(1300, holds=False)
    assert not limited_by([probe(), spoiled, fair], probe(), 1).startswith("client")


def test_closed_loops_and_lower_rates_say_nothing_about_the_limit():
    closed = probe(schedule=ClosedLoop(8), holds=False, invalid=("the client was busy",))
    lower = probe(900, holds=False, invalid=("the client was busy",))
    assert not limited_by([closed, lower, probe()], probe(), 1).startswith("client")


def test_a_client_that_is_told_to_take_time_for_each_answer_is_the_limit_where_it_has_none_left():
    busy = probe(schedule=ClosedLoop(8, client_s=0.00095))  # of the 1,000/s
    assert limited_by([busy], busy, 1) == (
        "client: taking 950us for each request, it completes 1,053 inferences/s at most; give a shorter --client-time"
    )
    assert not limited_by([], probe(schedule=ClosedLoop(8, client_s=0.0003)), 1).startswith("client")


def crowded(client_cpu: float, server_cpu_s: float, **changes) -> Probe:
    usage = Usage(client_cpu=client_cpu, server_cpu_s=server_cpu_s, cores=2, seconds=1.25)
    return probe(1200, holds=False, usage=replace(usage, **changes))


def test_a_client_that_takes_the_cores_that_the_server_needs_is_told():
    failing = crowded(client_cpu=0.4, server_cpu_s=1.9)
    assert limited_by([probe(), failing], probe(), 1) == (
        "compute: server and client use 96% of the 2 cores that they share, the client 20%;"
        " with clients elsewhere the server carries more"
    )


@pytest.mark.parametrize(
    "failing",
    [
        pytest.param(crowded(client_cpu=0.4, server_cpu_s=1.7), id="cores to spare"),
        pytest.param(crowded(client_cpu=0.1, server_cpu_s=2.3), id="a light client"),
        pytest.param(crowded(client_cpu=0.4, server_cpu_s=1.9, seconds=None), id="not kept"),
        pytest.param(probe(1200, holds=False), id="not seen"),
    ],
)
def test_a_client_is_not_told_in_the_way_where_it_is_not(failing: Probe):
    assert "clients elsewhere" not in limited_by([probe(), failing], probe(), 1)
