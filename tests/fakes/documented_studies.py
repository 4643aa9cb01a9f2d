"""Stored studies for tests of the report: with a final comparison, with failures, with nothing feasible."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from stored_trials import HERE, OBJECTIVE, P99, begin, probe

from autotune.load import PoissonRate, Schedule
from autotune.measurement import Measurement, Probe
from autotune.outcome import Forecast, OutcomeKind, TrialOutcome
from autotune.server import ModelStatistics
from autotune.space import Candidate
from autotune.store import Store, StudyRecord, TrialRecord

MARKUP = "<b>|`$x$`|</b> & *co* <script>alert(1)</script>"
CONFIG = 'name: "mnist"\nmax_batch_size: {batch}\ndynamic_batching {{ }}\ninstance_group [{{ count: {instances} }}]\n'
REFUSED = f"failed to load 'mnist': Invalid argument: {MARKUP}"


def window(per_s: float, p99_s: float, *, batch: int = 4, schedule: Schedule | None = None) -> Probe:
    """A window in which the p99 was met or violated, with all that a report shows of it."""
    count = round(per_s * 2)
    return probe(
        schedule or PoissonRate(per_s, seed=1),
        holds=p99_s <= P99.limit_s,
        offered_per_s=per_s,
        achieved_per_s=per_s,
        requests=count,
        errors={},
        latency_s={"p50": p99_s / 3, "p90": p99_s / 1.5, "p95": p99_s / 1.2, "p99": p99_s, "avg": p99_s / 2.5},
        server=ModelStatistics(
            inference_count=count,
            execution_count=count // batch,
            success_count=count,
            queue_ns=count * 400_000,
            compute_infer_ns=count * 300_000,
            batch_executions={1: 5, batch: count // batch},
            batch_compute_ns={batch: 10**9},
        ),
        invalid=(),
        evidence=(),
        error_example="",
    )


def outcome(
    per_s: float,
    *,
    batch: int = 4,
    instances: int = 1,
    kind: OutcomeKind = OutcomeKind.FEASIBLE,
    predicted_per_s: float | None = None,
) -> TrialOutcome:
    """A trial that met the ceiling up to ``per_s``, or in no window."""
    feasible = kind is OutcomeKind.FEASIBLE
    p99_s = 0.0045 if feasible else 0.009
    windows = (window(per_s / 2, p99_s / 2, batch=batch), window(per_s, p99_s, batch=batch), window(per_s * 1.2, 0.02))
    decided = windows[1]
    measurement = Measurement(
        feasible=feasible,
        rate_per_s=per_s if feasible else 0.0,
        first_failing_per_s=None,
        latency_s=decided.latency_s,
        ceilings=(P99,),
        violations={str(P99): P99.ratio(p99_s) - 1, "rate": 0.0},
        decided_by=decided,
        probes=windows,
        seconds=6.0,
        instances=instances,
    )
    return TrialOutcome(
        kind=kind,
        candidate=Candidate((("max_batch_size", batch), ("instance_count", instances))),
        configs={"mnist": CONFIG.format(batch=batch, instances=instances)},
        measurement=measurement,
        startup_s=1.0,
        seconds=8.0,
        forecast=Forecast(predicted_per_s, predicted_per_s, 0.1, 2.0) if predicted_per_s else None,
    )


def failed(message: str = REFUSED) -> TrialOutcome:
    """A trial that Triton refused."""
    refused = replace(outcome(1.0, batch=64), kind=OutcomeKind.LOAD_FAILED, measurement=None, message=message)
    return replace(refused, startup_s=0.0)


def tuned_study(store: Store, name: str = "s", trials: int = 10, model: str = "mnist") -> StudyRecord:
    """A study with a baseline, trials of each kind, and a final comparison that trial 2 wins."""
    study, _ = begin(store, name, model=model, files="mnist/config.pbtxt  64 B\nmnist/1/model.onnx  26.4 kB\n")
    first = [
        ("baseline", outcome(500.0, batch=1)),
        ("proposed", outcome(800.0, batch=4, predicted_per_s=850.0)),
        ("proposed", outcome(1200.0, batch=8, instances=2, predicted_per_s=1100.0)),
        ("proposed", outcome(2000.0, batch=16, kind=OutcomeKind.INFEASIBLE, predicted_per_s=1300.0)),
        ("proposed", failed()),
    ]
    more = [
        ("proposed", outcome(600.0 + 40.0 * number, batch=2 ** (number % 4), instances=1 + number % 2))
        for number in range(len(first), trials)
    ]
    saved = [store.save_trial(study, number, *trial) for number, trial in enumerate(first + more)]
    for number in (1, 2, 3):
        for trial in (saved[2], saved[0]):
            store.save_run(**_again(study, trial, 1.0 + 0.01 * number), role="final", round_number=number)
    certificate = _again(study, saved[2], 0.9)
    store.save_run(**certificate | {"outcome": _certified(certificate["outcome"])}, role="certificate")
    return study


def infeasible_study(store: Store) -> StudyRecord:
    """A study in which no config met the SLO."""
    study, _ = begin(store, "none")
    store.save_trial(study, 0, "baseline", outcome(500.0, batch=1, kind=OutcomeKind.INFEASIBLE))
    store.save_trial(study, 1, "proposed", failed())
    return study


def refused_study(store: Store) -> StudyRecord:
    """A study in which Triton refused every config."""
    study, _ = begin(store, "refused")
    store.save_trial(study, 0, "baseline", replace(failed(), candidate=None))
    return study


def _certified(found: TrialOutcome) -> TrialOutcome:
    assert found.measurement is not None
    proved = replace(found.measurement, certified=True, confidence=0.96, certificate_missing_s=0.0)
    return replace(found, measurement=proved)


def _again(study: StudyRecord, trial: TrialRecord, times: float) -> dict[str, Any]:
    measured = trial.outcome.measurement
    assert measured is not None
    rate_per_s = measured.rate_per_s * times
    return {
        "model": study.model,
        "label": trial.label,
        "outcome": outcome(rate_per_s, batch=8 if trial.number == 2 else 1),
        "environment": HERE,
        "study": study,
        "trial": trial,
    }


__all__ = ["MARKUP", "OBJECTIVE", "REFUSED", "failed", "infeasible_study", "outcome", "refused_study", "tuned_study"]
