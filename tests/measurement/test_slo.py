"""What a measurement says about the SLO: met, violated, or undecided by a disturbed window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simulated_server import SimulatedServer

from autotune.load import ClosedLoop, LoadResult, Schedule, Watch
from autotune.measurement import (
    Disturbance,
    DisturbanceKind,
    Infeasible,
    MeasureOptions,
    Meter,
    Probe,
    Served,
    Slo,
    SweepResult,
    run_probe,
    sweep,
)
from autotune.objective import Ceiling, Objective
from autotune.repository import ServedSet

OBJECTIVE = Objective("throughput", (Ceiling("p99", 0.005),))
BUSY = (Disturbance(DisturbanceKind.OTHER_PROCESSES, 0.5, 0.1, 2),)


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("_prober", "_sweep"):
        monkeypatch.setattr(f"autotune.measurement.{module}.time.sleep", lambda pause_s: None)


class LateClient(SimulatedServer):
    """A client that sends each of the first ``spoilt`` windows' requests late, by more than the ceiling allows."""

    spoilt = 0

    def run(self, schedule: Schedule, duration_s: float, timeout_s: float, watch: Watch | None = None) -> LoadResult:
        result = super().run(schedule, duration_s, timeout_s, watch)
        late_s = np.full(result.requests, 0.006 if len(self.runs) <= self.spoilt else 0.0)
        return replace(result, lateness_s=late_s, latency_s=result.latency_s + late_s)


def late(spoilt: int, service_s: float = 0.001) -> LateClient:
    server = LateClient(service_s)
    server.spoilt = spoilt
    return server


def result(*probes: Probe, **changes: object) -> SweepResult:
    whole = SweepResult("net", "http", OBJECTIVE.ceilings, probes, {}, "", 0.1)
    return replace(whole, **changes)  # type: ignore[arg-type]


def measured(server: SimulatedServer) -> SweepResult:
    return result(measurement=Meter(server, server, OBJECTIVE, MeasureOptions.of(0.2)).measure())


def test_a_config_is_not_infeasible_by_a_disturbed_window() -> None:
    disturbed = measured(late(spoilt=10_000))
    assert disturbed.measurement is not None
    assert not disturbed.measurement.feasible
    assert disturbed.measurement.infeasible is Infeasible.DISTURBED
    assert disturbed.slo is Slo.UNDECIDED


@pytest.mark.parametrize(("service_s", "slo"), [(0.001, Slo.MET), (0.02, Slo.VIOLATED)])
def test_an_undisturbed_measurement_decides(service_s: float, slo: Slo) -> None:
    assert measured(SimulatedServer(service_s)).slo is slo


def test_a_load_whose_window_was_disturbed_is_offered_again() -> None:
    # The warm-up, then two windows that the client spoils.
    server = late(spoilt=3)
    (probe,) = sweep(
        Served(server, server, ServedSet(())), [ClosedLoop(1)], duration_s=0.2, ceilings=OBJECTIVE.ceilings
    )
    assert probe.verdict == "holds"
    assert len(server.runs) == 4


def test_a_load_that_stays_disturbed_is_undecided() -> None:
    server = late(spoilt=10_000)
    probes = sweep(Served(server, server, ServedSet(())), [ClosedLoop(1)], duration_s=0.2, ceilings=OBJECTIVE.ceilings)
    assert len(server.runs) == 4
    assert result(*probes).slo is Slo.UNDECIDED


def window(service_s: float, **changes: object) -> Probe:
    server = SimulatedServer(service_s)
    ceilings = OBJECTIVE.ceilings
    probe = run_probe(server, server, ClosedLoop(1), purpose="load", duration_s=0.2, timeout_s=1.0, ceilings=ceilings)
    return replace(probe, **changes)  # type: ignore[arg-type]


def test_every_load_must_meet_the_slo() -> None:
    met, violated = window(0.001), window(0.02)
    disturbed = replace(violated, invalid=BUSY)
    assert result(met, met).slo is Slo.MET
    assert result(met, replace(met, invalid=BUSY)).slo is Slo.MET  # what disturbs only adds to latency
    assert result(met, violated, disturbed).slo is Slo.VIOLATED
    assert result(met, disturbed).slo is Slo.UNDECIDED
    assert result(met, violated, ceilings=()).slo is None


def test_requests_that_all_failed_were_not_answered() -> None:
    answered, failed = window(0.001), window(0.001, requests=200, errors={"http 500": 200})
    assert result(answered, failed).answered
    assert not result(failed).answered


@pytest.mark.parametrize(
    ("errors", "verdict"),
    [({"http 500": 5}, "fails"), ({"timeout": 5}, "invalid"), ({"unsent": 5}, "invalid"), ({"http 500": 1}, "invalid")],
)
def test_requests_that_the_server_refuses_are_not_the_disturbances_fault(errors: dict[str, int], verdict: str) -> None:
    """A p99 allows 2 of 200 requests to fail."""
    disturbed = window(0.02, requests=200, errors=errors, invalid=BUSY)
    assert disturbed.verdict == verdict
