"""Studies, trials and measurements: kept, and found again."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from autotune.environment import differences
from autotune.errors import AutotuneError, UsageError
from autotune.store._codec import decode, encode
from autotune.store._database import Database
from autotune.store._faults import readable, reported
from autotune.store._frames import probe_frame
from autotune.store._jobs import JobStore
from autotune.store._outlines import forget, read_outlines
from autotune.store._read import count_windows, read_trials
from autotune.store._rows import environment_row, fill_trial, fingerprint, study_changes, study_record, trial_record
from autotune.store._tables import EnvironmentRow, StudyRow, TrialRow
from autotune.store._unsaved import keep, kept

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pandas as pd

    from autotune.environment import Environment
    from autotune.measurement import Probe
    from autotune.objective import Objective
    from autotune.outcome import TrialOutcome
    from autotune.prediction import Explanation
    from autotune.store._records import RunRole, StudyOutline, StudyRecord, TrialRecord, WindowCount, Windows

_NO_STUDY = -1


class Store(Database):
    """The studies, trials and measurements of a database."""

    def jobs(self) -> JobStore:
        """The service's jobs in the same database."""
        return JobStore(self)

    def begin_study(
        self,
        name: str,
        *,
        model: str,
        objective: Objective,
        space_digest: str,
        base_config: str,
        conditions: str = "",
        environment: Environment,
        space_text: str = "",
        files: str = "",
        repository: str = "",
    ) -> tuple[StudyRecord, tuple[str, ...]]:
        """Begins a study, or resumes the one of that name.

        Returns:
            The study, and notes on how the environment differs from the one in which it was begun.

        Raises:
            UsageError: A study of that name looks for something else.
        """
        with self.writing() as session:
            environment_id = self._environment_id(session, environment)
            row = session.scalar(select(StudyRow).where(StudyRow.name == name))
            if row is None:
                row = StudyRow(
                    name=name,
                    model=model,
                    objective=str(objective),
                    objective_body=encode(objective),
                    space_digest=space_digest,
                    space_text=space_text,
                    base_config=base_config,
                    conditions=conditions,
                    files=files,
                    repository=repository,
                    environment_id=environment_id,
                )
                session.add(row)
                session.flush()
                return study_record(row, environment_id), ()
            changes = study_changes(
                row,
                model=model,
                objective=objective,
                space_digest=space_digest,
                base_config=base_config,
                conditions=conditions,
                environment=environment,
            )
            if changes:
                raise UsageError(
                    f"--study: study {name!r} cannot be resumed: {'; '.join(changes)}; choose another --study name"
                )
            row.repository = repository or row.repository
            record = study_record(row, environment_id)
            notes = tuple(differences(decode(row.environment.body), environment))
        for number, label, outcome in kept(self.url, self.directory, name):
            self._save_trial(record, number, label, outcome)
            notes = (*notes, f"trial {number}: measured when the database failed, and stored now")
        return record, notes

    def study(self, name: str) -> StudyRecord | None:
        """The study of that name; None where there is none."""
        with readable(name, self._url), self.reading() as session:
            row = session.scalar(select(StudyRow).where(StudyRow.name == name))
            return study_record(row, row.environment_id) if row else None

    def study_names(self) -> list[str]:
        """The names of all studies, the earliest first."""
        with self.reading() as session:
            return list(session.scalars(select(StudyRow.name).order_by(StudyRow.id)))

    def studies(self) -> list[StudyRecord]:
        """All studies, the earliest first; raises `AutotuneError` if one cannot be read."""
        return [record for name in self.study_names() if (record := self.study(name))]

    def outlines(self, make: Callable[[str], StudyOutline | None]) -> list[StudyOutline]:
        """Every study in one line, the newest first; ``make`` is asked for lines that are not kept."""
        with reported(self._url):
            return read_outlines(self._engine, make)

    def save_explanation(self, study: StudyRecord, explanation: Explanation) -> None:
        """Stores why a study's winner won, in place of what an earlier run said."""
        with self.writing() as session:
            session.get_one(StudyRow, study.id).explanation = encode(explanation)
            forget(session, study.id)

    def save_trial(self, study: StudyRecord, number: int, label: str, outcome: TrialOutcome) -> TrialRecord:
        """Stores a trial of a study in one transaction; a trial saved before under that number is replaced.

        Args:
            study: The study, as `begin_study` returned it.
            number: Optuna's trial number.
            label: Whose config it is, in words.
            outcome: How it ended.
        """
        try:
            return self._save_trial(study, number, label, outcome)
        except AutotuneError as error:
            if not keep(self.url, self.directory, study.name, number, label, outcome):
                raise
            raise type(error)(f"{error} (trial {number} was measured and is kept until then)") from error

    def _save_trial(self, study: StudyRecord, number: int, label: str, outcome: TrialOutcome) -> TrialRecord:
        with self.writing() as session:
            row = session.scalar(select(TrialRow).where(TrialRow.study_id == study.id, TrialRow.number == number))
            if row is None:
                row = TrialRow(study_id=study.id, number=number, role="trial", model=study.model)
                session.add(row)
            row.label = label
            row.environment_id = study.environment_id
            return self._filled(session, row, outcome, outcome.measurement.probes if outcome.measurement else ())

    def save_run(
        self,
        *,
        model: str,
        label: str,
        outcome: TrialOutcome,
        environment: Environment,
        role: RunRole = "measure",
        study: StudyRecord | None = None,
        probes: Sequence[Probe] = (),
        trial: TrialRecord | None = None,
        round_number: int | None = None,
    ) -> TrialRecord:
        """Stores a measurement that is no trial of a study, in one transaction.

        Args:
            model: The model's name.
            label: Whose config it is, in words.
            outcome: How it ended; without a measurement where only single probes were run.
            environment: Where it ran.
            role: ``"measure"``, or ``"final"`` or ``"certificate"`` for a config of ``study`` that is measured again.
            study: The study it belongs to.
            probes: The probes of an outcome without a measurement.
            trial: The trial whose config is measured again.
            round_number: The round of the final comparison, from 1.
        """
        with self.writing() as session:
            row = TrialRow(
                study_id=study.id if study else None,
                role=role,
                trial_id=trial.id if trial else None,
                round=round_number,
                model=model,
                label=label,
                environment_id=self._environment_id(session, environment),
            )
            session.add(row)
            return self._filled(session, row, outcome, outcome.measurement.probes if outcome.measurement else probes)

    def trials(self, study: StudyRecord, *, interrupted: bool = False, windows: Windows = "all") -> list[TrialRecord]:
        """The trials of a study by number; those that were cut short only on request."""
        query = select(TrialRow).where(TrialRow.study_id == study.id, TrialRow.role == "trial")
        if not interrupted:
            query = query.where(TrialRow.kind.not_in(["interrupted", "out of time"]))
        with readable(study.name, self._url), self.reading() as session:
            return read_trials(session, query.order_by(TrialRow.number), windows)

    def with_windows(self, trials: Iterable[TrialRecord]) -> list[TrialRecord]:
        """The same trials and runs with all their windows, in the order of their rows."""
        query = select(TrialRow).where(TrialRow.id.in_([trial.id for trial in trials]))
        with self.reading() as session:
            return read_trials(session, query.order_by(TrialRow.id), "all")

    def window_counts(self, study: StudyRecord) -> list[WindowCount]:
        """How many windows the trials and runs of a study took, by purpose."""
        with self.reading() as session:
            return count_windows(session, study.id)

    def alike(self, study: StudyRecord, most: int) -> list[StudyRecord]:
        """The latest ``most`` other studies whose trials ``study`` can learn from, the earliest first.

        They tuned the same model and config under the same conditions, in an environment of the same digest.
        """
        query = (
            select(StudyRow.name)
            .join(EnvironmentRow, StudyRow.environment_id == EnvironmentRow.id)
            .where(
                StudyRow.id != study.id,
                StudyRow.model == study.model,
                StudyRow.base_config == study.base_config,
                StudyRow.conditions == study.conditions,
                EnvironmentRow.digest == study.environment.digest,
            )
            .order_by(StudyRow.id.desc())
            .limit(most)
        )
        with self.reading() as session:
            names = list(session.scalars(query))
        found = []
        for name in reversed(names):
            with suppress(AutotuneError):  # one that cannot be read teaches nothing
                found.append(self.study(name))
        return [record for record in found if record]

    def runs(self, study: StudyRecord | None = None, *, windows: Windows = "all") -> list[TrialRecord]:
        """The measurements that are no trials, in order: those of ``study``, or those outside any study."""
        query = select(TrialRow).where(TrialRow.role != "trial")
        query = query.where(TrialRow.study_id == study.id if study else TrialRow.study_id.is_(None))
        with readable(study.name if study else "", self._url), self.reading() as session:
            return read_trials(session, query.order_by(TrialRow.id), windows)

    def count_rows(self, study: StudyRecord) -> int:
        """How many trials and runs of a study are stored: it grows with each result."""
        with self.reading() as session:
            return session.scalar(select(func.count()).select_from(TrialRow).where(TrialRow.study_id == study.id)) or 0

    def probes(self, study: str) -> pd.DataFrame:
        """One line per probe of the study of that name, runs outside its trials included; none where it is unknown.

        Columns: ``number``, ``role``, ``label``, ``kind``, ``candidate_key`` of the trial, the columns of
        ``autotune_probe``, and those of ``autotune_server_statistics`` as ``server_...``.
        """
        with self.reading() as session:
            row = session.scalar(select(StudyRow).where(StudyRow.name == study))
            return probe_frame(session, row.id if row else _NO_STUDY)

    def _filled(self, session: Session, row: TrialRow, outcome: TrialOutcome, probes: Sequence[Probe]) -> TrialRecord:
        fill_trial(row, outcome, probes)
        session.flush()
        forget(session, row.study_id)
        return trial_record(row)

    def _environment_id(self, session: Session, environment: Environment) -> int:
        row = session.scalar(select(EnvironmentRow).where(EnvironmentRow.fingerprint == fingerprint(environment)))
        if row is None:
            row = environment_row(environment)
            session.add(row)
            session.flush()
        return row.id
