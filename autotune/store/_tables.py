"""Our tables. All names start with ``autotune_``; Optuna's tables stand beside them.

Columns are what people and scripts query; ``body`` holds the whole object, from which it is read back.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from sqlalchemy import JSON, ForeignKey, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

SCHEMA_VERSION = 6


def now() -> datetime:
    """The time now, in UTC, without the zone (SQLite keeps none)."""
    return datetime.now(timezone.utc).replace(tzinfo=None)


class Base(DeclarativeBase):
    """Base of all tables of ours."""


class SchemaRow(Base):
    """One row: which version of these tables the database has."""

    __tablename__ = "autotune_schema"
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    written_by: Mapped[str] = mapped_column(String(64))


class EnvironmentRow(Base):
    """A machine with its software, once per distinct fingerprint."""

    __tablename__ = "autotune_environment"
    id: Mapped[int] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64), unique=True)
    digest: Mapped[str] = mapped_column(String(64), index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    body: Mapped[dict[str, Any]] = mapped_column(JSON)


class StudyRow(Base):
    """One study; its name is also the Optuna study's. Its explanation is that of its last run."""

    __tablename__ = "autotune_study"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(512), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    model: Mapped[str] = mapped_column(String(512))
    objective: Mapped[str] = mapped_column(Text)
    objective_body: Mapped[dict[str, Any]] = mapped_column(JSON)
    space_digest: Mapped[str] = mapped_column(String(64))
    space_text: Mapped[str] = mapped_column(Text)
    base_config: Mapped[str] = mapped_column(Text)
    conditions: Mapped[str] = mapped_column(Text)
    explanation: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    files: Mapped[str | None] = mapped_column(Text)
    repository: Mapped[str | None] = mapped_column(Text)
    environment_id: Mapped[int] = mapped_column(ForeignKey("autotune_environment.id"))
    environment: Mapped[EnvironmentRow] = relationship()


class OutlineRow(Base):
    """A study's line in `autotune studies list`, kept so that the list need not read every trial."""

    __tablename__ = "autotune_outline"
    study_id: Mapped[int] = mapped_column(ForeignKey("autotune_study.id", ondelete="CASCADE"), primary_key=True)
    rows: Mapped[int]
    trials: Mapped[int]
    best: Mapped[float | None]
    gain: Mapped[float | None]


class TrialRow(Base):
    """One config on one fresh server: a trial of a study, or a run.

    A run of a final comparison names the trial whose config it measures, and its round.
    """

    __tablename__ = "autotune_trial"
    __table_args__ = (UniqueConstraint("study_id", "number"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int | None] = mapped_column(ForeignKey("autotune_study.id"), index=True)
    number: Mapped[int | None]
    role: Mapped[str] = mapped_column(String(16))
    trial_id: Mapped[int | None] = mapped_column(ForeignKey("autotune_trial.id"), index=True)
    round: Mapped[int | None]
    label: Mapped[str] = mapped_column(Text)
    model: Mapped[str] = mapped_column(String(512))
    kind: Mapped[str] = mapped_column(String(32))
    candidate_key: Mapped[str | None] = mapped_column(Text)
    message: Mapped[str] = mapped_column(Text)
    startup_s: Mapped[float]
    seconds: Mapped[float]
    log_path: Mapped[str | None] = mapped_column(Text)
    finished_at: Mapped[datetime] = mapped_column(default=now)
    environment_id: Mapped[int] = mapped_column(ForeignKey("autotune_environment.id"))
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    environment: Mapped[EnvironmentRow] = relationship()
    study: Mapped[StudyRow | None] = relationship()
    configs: Mapped[list[TrialConfigRow]] = relationship(
        cascade="all, delete-orphan", order_by="TrialConfigRow.position", lazy="selectin"
    )
    measurement: Mapped[MeasurementRow | None] = relationship(cascade="all, delete-orphan", lazy="selectin")
    probes: Mapped[list[ProbeRow]] = relationship(
        cascade="all, delete-orphan", order_by="ProbeRow.position", lazy="selectin"
    )


class TrialConfigRow(Base):
    """A config that a trial served: first that of the model asked, then those of the models that it calls."""

    __tablename__ = "autotune_trial_config"
    trial_id: Mapped[int] = mapped_column(ForeignKey("autotune_trial.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(String(512))
    text: Mapped[str] = mapped_column(Text)


class MeasurementRow(Base):
    """What a trial carried under the objective; ``decided_by`` is the position of a probe."""

    __tablename__ = "autotune_measurement"
    trial_id: Mapped[int] = mapped_column(ForeignKey("autotune_trial.id", ondelete="CASCADE"), primary_key=True)
    feasible: Mapped[bool]
    rate_per_s: Mapped[float]
    first_failing_per_s: Mapped[float | None]
    seconds: Mapped[float]
    located_per_s: Mapped[float | None]
    confidence: Mapped[float | None]
    decided_by: Mapped[int | None]
    body: Mapped[dict[str, Any]] = mapped_column(JSON)


class ProbeRow(Base):
    """One window of load. An infinite latency is stored as an infinity."""

    __tablename__ = "autotune_probe"
    id: Mapped[int] = mapped_column(primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("autotune_trial.id", ondelete="CASCADE"), index=True)
    position: Mapped[int]
    purpose: Mapped[str] = mapped_column(String(32))
    schedule: Mapped[str] = mapped_column(String(32))
    rate_per_s: Mapped[float | None]
    concurrency: Mapped[int | None]
    seed: Mapped[str | None] = mapped_column(String(32))
    started_at: Mapped[float]
    duration_s: Mapped[float]
    offered_per_s: Mapped[float]
    achieved_per_s: Mapped[float]
    requests: Mapped[int]
    failed: Mapped[int]
    avg_s: Mapped[float | None]
    p50_s: Mapped[float | None]
    p90_s: Mapped[float | None]
    p95_s: Mapped[float | None]
    p99_s: Mapped[float | None]
    lateness_p99_s: Mapped[float]
    client_cpu: Mapped[float]
    holds: Mapped[bool]
    verdict: Mapped[str | None] = mapped_column(String(16))
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    histogram: Mapped[bytes] = mapped_column(LargeBinary)
    server: Mapped[ServerStatisticsRow] = relationship(cascade="all, delete-orphan", lazy="selectin")


class ServerStatisticsRow(Base):
    """Triton's statistics over one probe."""

    __tablename__ = "autotune_server_statistics"
    probe_id: Mapped[int] = mapped_column(ForeignKey("autotune_probe.id", ondelete="CASCADE"), primary_key=True)
    inferences: Mapped[int]
    executions: Mapped[int]
    succeeded: Mapped[int]
    failed: Mapped[int]
    mean_batch_size: Mapped[float]
    queue_us: Mapped[float | None]
    compute_input_us: Mapped[float | None]
    compute_infer_us: Mapped[float | None]
    compute_output_us: Mapped[float | None]
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
