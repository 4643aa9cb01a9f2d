"""A measurement ends within its time, with what it found until then."""

from __future__ import annotations

from dataclasses import replace

import pytest
from simulated_server import SimulatedServer

from autotune.load import LoadResult, Schedule, Watch
from autotune.measurement import CERTIFIED_RATE, ROUGH_RATE, Measurement, Meter, Question, TimeIsUp
from autotune.objective import Ceiling, LoadName, Objective

LIMIT_S = 0.005


class TimedServer(SimulatedServer):
    """Its windows take the time that they take."""

    now_s = 0.0

    def run(self, schedule: Schedule, duration_s: float, timeout_s: float, watch: Watch | None = None) -> LoadResult:
        result = super().run(schedule, duration_s, timeout_s, watch)
        self.now_s += result.duration_s
        return result


def measure(server: TimedServer, question: Question, load: LoadName = "open") -> Measurement:
    objective = Objective("throughput", (Ceiling("p99", LIMIT_S),), load=load)
    return Meter(server, server, objective, clock=lambda: server.now_s).measure(question)


@pytest.mark.parametrize("load", ["open", "closed"])
@pytest.mark.parametrize("question", [ROUGH_RATE, CERTIFIED_RATE], ids=["estimated", "certified"])
@pytest.mark.parametrize("within_s", [0.5, 2.0, 4.0, 8.0, 16.0, 40.0])
def test_it_ends_within_its_time_and_never_estimates_more_than_without_a_limit(
    load: LoadName, question: Question, within_s: float
) -> None:
    whole = measure(TimedServer(), question, load)
    server = TimedServer()
    try:
        cut = measure(server, replace(question, within_s=within_s), load)
    except TimeIsUp:
        assert within_s < 40
        return
    finally:
        assert server.now_s <= within_s + 1e-9
    assert cut.feasible
    assert 0 < cut.rate_per_s <= 1.1 * (whole.located_per_s or whole.rate_per_s)
    assert not (cut.certified and question is ROUGH_RATE)


def test_a_violation_that_is_certain_is_found_before_the_time_is_up() -> None:
    measured = measure(TimedServer(service_s=0.05), replace(ROUGH_RATE, within_s=5.0))
    assert not measured.feasible


def test_a_certificate_that_has_no_time_for_its_first_attempt_is_none() -> None:
    rate_per_s = 400.0
    question = Question(around_per_s=rate_per_s, located=False, within_s=0.3)
    with pytest.raises(TimeIsUp, match="give a longer --time-budget"):
        measure(TimedServer(), question)


def test_without_time_no_window_is_begun() -> None:
    server = TimedServer()
    with pytest.raises(TimeIsUp):
        measure(server, replace(ROUGH_RATE, within_s=-1.0))
    assert server.runs == []
