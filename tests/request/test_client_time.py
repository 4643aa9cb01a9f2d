"""``--client-time``: the mean think time of a closed loop's client."""

import pytest
from simulated_server import SimulatedServer

from autotune.errors import UsageError
from autotune.load import ClosedLoop
from autotune.measurement import LOCATED_RATE, MeasureOptions, Meter
from autotune.objective import Ceiling, Objective
from autotune.request import MeasureRequest, RunRequest

P99 = (Ceiling("p99", 0.02),)


@pytest.mark.parametrize("request_", [RunRequest(p99="1ms", load="closed"), RunRequest(p99="50ms", load="closed")])
def test_no_client_is_emulated_unless_asked_for(request_: RunRequest) -> None:
    assert request_.goal().client_s == 0


def test_a_think_time_is_the_objectives() -> None:
    assert RunRequest(p99="20ms", load="closed", client_time="1ms").goal().client_s == pytest.approx(1e-3)


def test_a_given_concurrency_takes_a_think_time() -> None:
    ((load,),) = MeasureRequest(concurrency=4, client_time="50us").loads().values()
    assert load == ClosedLoop(4, client_s=pytest.approx(50e-6))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({}, "only a closed loop has a think time; drop it, or add --load closed"),
        ({"load": "closed", "client": "perf_analyzer"}, "perf_analyzer has no think time; drop it"),
    ],
)
def test_a_load_without_a_think_time_refuses_one(options: dict[str, str], line: str) -> None:
    with pytest.raises(UsageError, match=f"^--client-time: {line}"):
        RunRequest(p99="20ms", client_time="1ms", **options).goal()


def test_every_closed_loop_of_a_measurement_takes_it() -> None:
    server = SimulatedServer(0.001)
    objective = Objective("throughput", P99, load="closed", client_s=5e-5)
    Meter(server, server, objective, MeasureOptions(), clock=lambda: 0.0).measure(LOCATED_RATE)
    loops = [schedule for schedule in server.runs if isinstance(schedule, ClosedLoop)]
    assert len(loops) > 2
    assert {loop.client_s for loop in loops} == {5e-5}
