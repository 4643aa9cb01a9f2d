"""A database and the trials that tests store in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine

from autotune.environment import Environment
from autotune.load import ClosedLoop, ConstantRate, PoissonRate
from autotune.measurement import ClientTimes, Disturbance, DisturbanceKind, Evidence, Measurement, Probe, Usage
from autotune.objective import Ceiling, Objective
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.repository import KeptApart
from autotune.server import ModelStatistics
from autotune.space import Candidate
from autotune.store import Store, StudyRecord, database_url

P99 = Ceiling("p99", 0.005)


OBJECTIVE = Objective("throughput", (P99,))


HERE = Environment(
    cpu_model="Fast CPU",
    physical_cores=1,
    logical_cores=2,
    available_cores=1.5,
    memory_bytes=24 * 2**30,
    gpus=(),
    system="Debian 12",
    kernel="6.1",
    python="3.11.2",
    launch={"mode": "embedded"},
    model_digest="abc",
    packages={"optuna": "5.0.0"},
)


POISSON = PoissonRate(1000.0, seed=2**63 + 1)


def probe(schedule=POISSON, holds=True, **changes) -> Probe:
    base = Probe(
        purpose="locate",
        schedule=schedule,
        started_at=1700000000.25,
        duration_s=2.0,
        offered_per_s=1000.5,
        achieved_per_s=999.5,
        requests=2001,
        errors={"timeout": 2, "http 503": 1},
        latency_s={"p50": 0.001, "p90": 0.002, "p99": float("inf"), "avg": float("inf"), "p99.9": float("inf")},
        lateness_p99_s=0.0001,
        server=ModelStatistics(
            inference_count=1998,
            execution_count=333,
            success_count=1998,
            queue_ns=1998 * 250_000,
            batch_executions={1: 3, 6: 327, 11: 3},
        ),
        kept_up=True,
        holds=holds,
        client=ClientTimes(total_s=0.0012, wait_s=0.00001, send_s=0.00002, receive_s=0.00003),
        usage=Usage(client_cpu=0.25, server_cpu_s=1.5, memory_bytes=10**9, cores=4),
        certain=not holds,
        evidence=(Evidence(str(P99), 0.01, 2001, 3, 1.5, 0.97, 0.0018, float("inf")),),
        invalid=(Disturbance(DisturbanceKind.CLIENT_LATE, 0.0004, 0.00025),) if not holds else (),
        error_example="503 Service Unavailable",
        histogram=((0.001, 1500), (0.002, 498), (float("inf"), 3)),
    )
    return replace(base, **changes)


def outcome(kind=OutcomeKind.FEASIBLE, **changes) -> TrialOutcome:
    probes = (probe(ClosedLoop(4), purpose="warm-up"), probe(), probe(ConstantRate(2000.0), holds=False))
    measurement = Measurement(
        feasible=True,
        rate_per_s=1000.5,
        first_failing_per_s=None,
        latency_s=probes[1].latency_s,
        ceilings=(P99,),
        violations={str(P99): -0.25, "rate": float("-inf")},
        decided_by=probes[1],
        probes=probes,
        seconds=6.5,
        instances=2,
    )
    base = TrialOutcome(
        kind=kind,
        candidate=Candidate((("max_batch_size", 8), ("delay_us", None), ("dynamic", True), ("kind", "KIND_CPU"))),
        configs={"mnist": 'name: "mnist"\nmax_batch_size: 8\n'},
        measurement=measurement,
        startup_s=1.7,
        seconds=9.0,
        log_path=Path("logs/trial 3.log"),
        kept_apart=KeptApart(("x",), ("input[0].allow_ragged_batch",), (), 1.5),
    )
    return replace(base, **changes)


def begin(store: Store, name="s", **changes) -> tuple[StudyRecord, tuple[str, ...]]:
    wanted = {
        "model": "mnist",
        "objective": OBJECTIVE,
        "space_digest": "d1",
        "space_text": "max_batch_size: [1, 8]\n",
        "base_config": 'name: "mnist"\n',
        "environment": HERE,
    }
    return store.begin_study(name, **{**wanted, **changes})


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A transaction in the database, past the store."""
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


@pytest.fixture
def url(tmp_path):
    return database_url(tmp_path / "results")


@pytest.fixture
def store(url):
    with_tables = Store.open(url)
    yield with_tables
    with_tables.close()
