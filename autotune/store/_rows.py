"""Between rows and the types they hold."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sqlalchemy import inspect

from autotune.environment import Environment
from autotune.measurement import Measurement, Probe
from autotune.objective import Objective
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.store._codec import decode, encode
from autotune.store._packed import PackedHistogram
from autotune.store._records import RunRole, StudyRecord, TrialRecord
from autotune.store._tables import (
    EnvironmentRow,
    MeasurementRow,
    ProbeRow,
    ServerStatisticsRow,
    StudyRow,
    TrialConfigRow,
    TrialRow,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autotune.server import ModelStatistics

T = TypeVar("T")


def environment_row(environment: Environment) -> EnvironmentRow:
    """A row for a new environment."""
    return EnvironmentRow(fingerprint=fingerprint(environment), digest=environment.digest, body=encode(environment))


def fingerprint(environment: Environment) -> str:
    """A digest of the whole environment, parts that do not matter for comparisons included."""
    return hashlib.sha256(json.dumps(encode(environment), sort_keys=True).encode()).hexdigest()


def study_record(row: StudyRow, environment_id: int) -> StudyRecord:
    """A study as read, for a session in the environment of that row."""
    return StudyRecord(
        id=row.id,
        name=row.name,
        created_at=row.created_at,
        model=row.model,
        objective=_expected(Objective, decode(row.objective_body)),
        space_digest=row.space_digest,
        space_text=row.space_text,
        base_config=row.base_config,
        conditions=row.conditions,
        environment=_expected(Environment, decode(row.environment.body)),
        environment_id=environment_id,
        explanation=decode(row.explanation),
        files=row.files or "",
        repository=row.repository or "",
    )


def study_changes(
    row: StudyRow,
    *,
    model: str,
    objective: Objective,
    space_digest: str,
    base_config: str,
    conditions: str,
    environment: Environment,
) -> list[str]:
    """What makes a study impossible to resume, in words; empty where it can be."""
    begun: Environment = decode(row.environment.body)
    changes = (
        (f"its model is {row.model!r}, not {model!r}", row.model != model),
        ("the model's files have changed", begun.model_digest != environment.model_digest),
        (f"its objective is '{row.objective}', not '{objective}'", decode(row.objective_body) != objective),
        ("its search space has changed", row.space_digest != space_digest),
        ("the model's config.pbtxt has changed", row.base_config != base_config),
        (f"it was measured with {row.conditions}, not {conditions}", row.conditions != conditions),
    )
    return [what for what, differs in changes if differs]


def fill_trial(row: TrialRow, outcome: TrialOutcome, probes: Sequence[Probe]) -> None:
    """Writes an outcome, its measurement and its probes into a trial's row."""
    row.kind = outcome.kind.value
    row.candidate_key = outcome.candidate.key if outcome.candidate else None
    row.configs = [
        TrialConfigRow(position=position, model=model, text=text)
        for position, (model, text) in enumerate(outcome.configs.items())
    ]
    row.message = outcome.message
    row.startup_s = outcome.startup_s
    row.seconds = outcome.seconds
    row.log_path = str(outcome.log_path) if outcome.log_path else None
    row.body = encode(outcome, without=("measurement", "configs"))
    row.measurement = _measurement_row(outcome.measurement) if outcome.measurement else None
    row.probes = [_probe_row(position, probe) for position, probe in enumerate(probes)]


def trial_record(row: TrialRow, probe_rows: Sequence[ProbeRow] | None = None) -> TrialRecord:
    """A trial as read, with all its probes or only with those of ``probe_rows``."""
    rows = row.probes if probe_rows is None else probe_rows
    by_position = {each.position: _probe(each) for each in rows}
    probes = tuple(by_position.values())
    measurement = _measurement(row.measurement, by_position) if row.measurement else None
    configs = {each.model: each.text for each in row.configs}
    outcome = _expected(TrialOutcome, decode(row.body, measurement=measurement, configs=configs))
    _expected(OutcomeKind, outcome.kind)
    return TrialRecord(
        id=row.id,
        number=row.number,
        label=row.label,
        outcome=outcome,
        role=cast("RunRole", row.role),
        model=row.model,
        finished_at=row.finished_at,
        environment=decode(row.environment.body),
        probes=probes,
        trial_id=row.trial_id,
        round=row.round,
    )


def _measurement_row(measurement: Measurement) -> MeasurementRow:
    decided_by = measurement.decided_by
    return MeasurementRow(
        feasible=measurement.feasible,
        rate_per_s=float(measurement.rate_per_s),
        first_failing_per_s=measurement.first_failing_per_s,
        seconds=measurement.seconds,
        located_per_s=measurement.located_per_s,
        confidence=measurement.confidence,
        decided_by=measurement.probes.index(decided_by) if decided_by in measurement.probes else None,
        body=encode(measurement, without=("probes", "decided_by")),
    )


def _measurement(row: MeasurementRow, probes: Mapping[int, Probe]) -> Measurement:
    decided_by = None if row.decided_by is None else probes[row.decided_by]
    return _expected(Measurement, decode(row.body, probes=tuple(probes.values()), decided_by=decided_by))


def _expected(kind: type[T], value: Any) -> T:
    """The value, if it is of the kind that its row should hold; raises `TypeError`."""
    if not isinstance(value, kind):
        raise TypeError(f"a {type(value).__name__} where a {kind.__name__} should be")
    return value


def _probe_row(position: int, probe: Probe) -> ProbeRow:
    schedule = probe.schedule
    latency_s = probe.latency_s
    return ProbeRow(
        position=position,
        purpose=probe.purpose,
        schedule=type(schedule).__name__,
        rate_per_s=getattr(schedule, "rate_per_s", None),
        concurrency=probe.concurrency,
        seed=str(schedule.seed) if hasattr(schedule, "seed") else None,
        started_at=probe.started_at,
        duration_s=probe.duration_s,
        offered_per_s=float(probe.offered_per_s),
        achieved_per_s=float(probe.achieved_per_s),
        requests=int(probe.requests),
        failed=int(probe.failed),
        **{f"{name}_s": _column(latency_s.get(name)) for name in ("avg", "p50", "p90", "p95", "p99")},
        lateness_p99_s=float(probe.lateness_p99_s),
        client_cpu=float(probe.usage.client_cpu) if probe.usage else 0.0,
        holds=bool(probe.holds),
        verdict=probe.verdict,
        body=encode(probe, without=("server", "histogram")),
        histogram=PackedHistogram.of(probe.histogram).packed,
        server=_server_row(probe.server),
    )


def _probe(row: ProbeRow) -> Probe:
    read = "histogram" not in inspect(row).unloaded
    histogram = PackedHistogram(row.histogram) if read else ()
    tuple(histogram)  # damage shows now, and not in the middle of a study
    return _expected(Probe, decode(row.body, server=decode(row.server.body), histogram=histogram))


def _server_row(statistics: ModelStatistics) -> ServerStatisticsRow:
    def mean_us(total_ns: int) -> float | None:
        return total_ns / 1e3 / statistics.success_count if statistics.success_count else None

    return ServerStatisticsRow(
        inferences=statistics.inference_count,
        executions=statistics.execution_count,
        succeeded=statistics.success_count,
        failed=statistics.fail_count,
        mean_batch_size=statistics.mean_batch_size,
        queue_us=mean_us(statistics.queue_ns),
        compute_input_us=mean_us(statistics.compute_input_ns),
        compute_infer_us=mean_us(statistics.compute_infer_ns),
        compute_output_us=mean_us(statistics.compute_output_ns),
        body=encode(statistics),
    )


def _column(value: float | None) -> float | None:
    return None if value is None else float(value)
