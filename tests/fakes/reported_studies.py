"""Results of studies, for tests of what is printed."""

from __future__ import annotations

from datetime import datetime, timezone

from simulated_server import SimulatedServer

from autotune.environment import capture
from autotune.measurement import Measurement, MeasureOptions, Meter
from autotune.objective import Ceiling, Objective
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.search import StudyResult
from autotune.search._result import summarise
from autotune.space import Candidate
from autotune.store import TrialRecord

OBJECTIVE = Objective("throughput", (Ceiling("p99", 0.005),))


CONFIG = 'name: "net"\nbackend: "python"\nmax_batch_size: 8\n'


ENVIRONMENT = capture({"mode": "embedded", "triton": "2.51.0"}, "digest")


def measured(service_s: float) -> Measurement:
    server = SimulatedServer(service_s)
    return Meter(server, server, OBJECTIVE, MeasureOptions.of(0.2)).measure()


def trial(number: int, label: str, service_s: float | None, batch: int | None = None) -> TrialRecord:
    measurement = None if service_s is None else measured(service_s)
    kind = OutcomeKind.LOAD_FAILED
    if measurement is not None:
        kind = OutcomeKind.FEASIBLE if measurement.feasible else OutcomeKind.INFEASIBLE
    candidate = None if batch is None else Candidate((("max_batch_size", batch), ("instance_count", 2)))
    outcome = TrialOutcome(
        kind=kind,
        candidate=candidate,
        configs={"net": CONFIG},
        measurement=measurement,
        message="" if measurement else "no such backend",
        startup_s=0.2,
        seconds=3.0,
    )
    return TrialRecord(number, number, label, outcome, "trial", "net", datetime.now(timezone.utc), ENVIRONMENT)


def result(*trials: TrialRecord) -> StudyResult:
    return summarise(study="net-p99-5ms", model="net", objective=OBJECTIVE, trials=trials, storage="sqlite:///x.db")
