"""What the client of a closed loop takes for each answer, by what a person asked for."""

import pytest
from simulated_server import SimulatedServer

from autotune.errors import UsageError
from autotune.load import ClosedLoop
from autotune.measurement import LOCATED_RATE, MeasureOptions, Meter
from autotune.objective import Ceiling, Objective
from autotune.request import client_time_for

P99 = (Ceiling("p99", 0.02),)


@pytest.mark.parametrize(
    ("flags", "expected_s"),
    [
        ({}, 30e-6),
        ({"client_time": "none"}, 0.0),
        ({"client_time": "1ms"}, 1e-3),
        ({"client": "perf_analyzer"}, 0.0),
    ],
)
def test_of_a_closed_loop_that_is_searched(flags, expected_s):
    assert client_time_for(flags, P99, searched=True) == expected_s


def test_given_requests_outstanding_take_none_unless_told():
    assert client_time_for({}, (), searched=False, given=True) == 0.0
    assert client_time_for({"client_time": "50us"}, (), searched=False, given=True) == pytest.approx(50e-6)


@pytest.mark.parametrize(("limit_s", "expected_s"), [(0.001, 0.0), (0.0069, 0.0), (0.0071, 30e-6)])
def test_a_ceiling_that_it_would_be_a_part_of_has_none(limit_s, expected_s):
    assert client_time_for({}, (*P99, Ceiling("p50", limit_s)), searched=True) == expected_s


@pytest.mark.parametrize(
    ("flags", "searched", "line"),
    [
        ({"client_time": "1ms"}, False, "only a closed loop waits"),
        ({"client_time": "1s"}, True, "1s for each request is too long"),
        ({"client_time": "1ms", "client": "perf_analyzer"}, True, "perf_analyzer takes what it takes"),
    ],
)
def test_what_cannot_be_taken_is_refused(flags, searched, line):
    with pytest.raises(UsageError, match=f"^--client-time: {line}"):
        client_time_for(flags, P99, searched=searched)


def test_every_closed_loop_of_a_measurement_takes_it():
    server = SimulatedServer(0.001)
    objective = Objective("throughput", P99, load="closed", client_s=5e-5)
    Meter(server, server, objective, MeasureOptions(), clock=lambda: 0.0).measure(LOCATED_RATE)
    loops = [schedule for schedule in server.runs if isinstance(schedule, ClosedLoop)]
    assert len(loops) > 2
    assert {loop.client_s for loop in loops} == {5e-5}
