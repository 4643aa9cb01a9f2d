"""Jobs of the service: one row each, beside the studies that they make."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from sqlalchemy import String, Text, func, select, update
from sqlalchemy.orm import Mapped, mapped_column

from autotune.store._engine import take_turns
from autotune.store._tables import Base, now

if TYPE_CHECKING:
    from autotune.store._database import Database


class JobState(str, Enum):
    """Where a job is. The last four are final."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    INFEASIBLE = "infeasible"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether it stays so."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


class JobRow(Base):
    """One job of the service: a tuning run that somebody submitted."""

    __tablename__ = "autotune_job"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(32), unique=True)
    tenant: Mapped[str] = mapped_column(String(128), index=True)
    submitted_by: Mapped[str] = mapped_column(String(128))
    repository: Mapped[str] = mapped_column(String(128))
    options: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16), index=True, default=JobState.QUEUED.value)
    message: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None] = mapped_column()
    ended_at: Mapped[datetime | None] = mapped_column()
    starts: Mapped[int] = mapped_column(default=0)
    runner: Mapped[str | None] = mapped_column(String(128))
    process: Mapped[str | None] = mapped_column(String(64))
    cancelling: Mapped[bool] = mapped_column(default=False)


@dataclass(frozen=True)
class Job:
    """A job, read at one moment.

    Attributes:
        name: Its identity, which is also the study's name.
        tenant: Whose it is.
        submitted_by: The name of the token that submitted it.
        repository: The name of a repository that the service was given.
        options: Options of ``autotune run``, by flag without its dashes.
        state: Where it is.
        message: Why it ended so; empty before.
        created_at: When it was submitted, in UTC.
        started_at: When its last start was.
        ended_at: When it ended.
        starts: How often it was started; more than once if the service stopped while it ran.
        process: Process id and start time of its run, ``pid@seconds``; None if it does not run.
        cancelling: Whether it is to be cancelled.
    """

    name: str
    tenant: str
    submitted_by: str
    repository: str
    options: Mapping[str, Any]
    state: JobState
    message: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    starts: int
    process: str | None
    cancelling: bool


class TooManyJobs(Exception):
    """A tenant has the most unfinished jobs that it may have."""


class JobStore:
    """The jobs of a database. Made by `Store.jobs`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def submit(
        self, tenant: str, submitted_by: str, repository: str, options: Mapping[str, Any], most_unfinished: int
    ) -> Job:
        """Adds a job to the end of the queue.

        Raises:
            TooManyJobs: The tenant has ``most_unfinished`` jobs already.
        """
        with self._database.writing() as session:
            take_turns(session.connection(), f"autotune: jobs of {tenant}")
            unfinished = select(func.count()).where(
                JobRow.tenant == tenant, JobRow.state.in_([JobState.QUEUED.value, JobState.RUNNING.value])
            )
            if (session.scalar(unfinished) or 0) >= most_unfinished:
                raise TooManyJobs
            row = JobRow(
                name=f"job-{secrets.token_hex(6)}",
                tenant=tenant,
                submitted_by=submitted_by,
                repository=repository,
                options=json.dumps(dict(options)),
            )
            session.add(row)
            session.flush()
            return _job(row)

    def take(self, runner: str) -> Job | None:
        """The oldest queued job, now running on ``runner``; None if there is none or another runner was faster."""
        with self._database.writing() as session:
            name = session.scalar(
                select(JobRow.name).where(JobRow.state == JobState.QUEUED.value).order_by(JobRow.id).limit(1)
            )
            taken = session.execute(
                update(JobRow)
                .where(JobRow.name == name, JobRow.state == JobState.QUEUED.value)
                .values(
                    state=JobState.RUNNING.value,
                    runner=runner,
                    started_at=now(),
                    starts=JobRow.starts + 1,
                )
            )
            if not taken.rowcount:  # type: ignore[attr-defined]  # an update has it
                return None
            return _job(session.scalars(select(JobRow).where(JobRow.name == name)).one())

    def started(self, name: str, process: str) -> None:
        """Notes the process that runs a job."""
        self._update(name, process=process)

    def finish(self, name: str, state: JobState, message: str) -> None:
        """Ends a job."""
        self._update(name, state=state.value, message=message, ended_at=now(), process=None)

    def queue_again(self, name: str) -> None:
        """Puts a running job back to its place in the queue; its study is resumed."""
        self._update(name, state=JobState.QUEUED.value, runner=None, process=None)

    def cancel(self, name: str) -> None:
        """Cancels a queued job; a running one is marked, and its runner ends it."""
        with self._database.writing() as session:
            # Locked (by PostgreSQL; SQLite has one writer), else a runner could take the job in between.
            row = session.scalars(select(JobRow).where(JobRow.name == name).with_for_update()).one()
            if row.state == JobState.QUEUED.value:
                row.state, row.ended_at, row.message = JobState.CANCELLED.value, now(), "cancelled before it started"
            elif row.state == JobState.RUNNING.value:
                row.cancelling = True

    def find(self, name: str, tenant: str | None = None) -> Job | None:
        """A job by name; None if there is none or it is another tenant's."""
        wanted = select(JobRow).where(JobRow.name == name)
        with self._database.reading() as session:
            row = session.scalars(wanted if tenant is None else wanted.where(JobRow.tenant == tenant)).first()
            return _job(row) if row else None

    def newest(self, tenant: str | None = None, state: JobState | None = None, limit: int = 100) -> list[Job]:
        """Jobs, the newest first; of all tenants if ``tenant`` is None."""
        wanted = select(JobRow).order_by(JobRow.id.desc()).limit(limit)
        if tenant is not None:
            wanted = wanted.where(JobRow.tenant == tenant)
        if state is not None:
            wanted = wanted.where(JobRow.state == state.value)
        with self._database.reading() as session:
            return [_job(row) for row in session.scalars(wanted)]

    def running(self, runner: str) -> list[Job]:
        """The jobs that a runner has taken and not ended."""
        wanted = select(JobRow).where(JobRow.state == JobState.RUNNING.value, JobRow.runner == runner)
        with self._database.reading() as session:
            return [_job(row) for row in session.scalars(wanted)]

    def oldest(self, state: JobState) -> Job | None:
        """The job that is in a state and was submitted first; None if there is none."""
        wanted = select(JobRow).where(JobRow.state == state.value).order_by(JobRow.id).limit(1)
        with self._database.reading() as session:
            row = session.scalars(wanted).first()
            return _job(row) if row else None

    def counts(self) -> dict[JobState, int]:
        """How many jobs are in each state."""
        with self._database.reading() as session:
            rows = session.execute(select(JobRow.state, func.count()).group_by(JobRow.state))
            found = {row[0]: int(row[1]) for row in rows}
        return {state: found.get(state.value, 0) for state in JobState}

    def _update(self, name: str, **values: Any) -> None:
        with self._database.writing() as session:
            session.execute(update(JobRow).where(JobRow.name == name).values(**values))


def _job(row: JobRow) -> Job:
    return Job(
        name=row.name,
        tenant=row.tenant,
        submitted_by=row.submitted_by,
        repository=row.repository,
        options=json.loads(row.options),
        state=JobState(row.state),
        message=row.message,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        starts=row.starts,
        process=row.process,
        cancelling=row.cancelling,
    )
