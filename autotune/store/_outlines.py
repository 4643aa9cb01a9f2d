"""The lines of the list of studies: read from their table, or made from the trials and kept there."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, delete, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from autotune.store._codec import decode
from autotune.store._engine import READ_ONLY
from autotune.store._records import StudyOutline
from autotune.store._tables import OutlineRow, StudyRow, TrialRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Engine


def read_outlines(engine: Engine, make: Callable[[str], StudyOutline | None]) -> list[StudyOutline]:
    """The line of every study, the newest study first.

    A line is kept together with the number of trials and runs that it was made from. It is made anew if that number has
    changed since, or if `forget` removed it.

    Args:
        engine: The database.
        make: Makes the line of the study of that name; None if it cannot be read.
    """
    with suppress(SQLAlchemyError):  # a database that is only read may lack the table; lines are made each time then
        OutlineRow.metadata.create_all(engine, tables=[OutlineRow.metadata.tables[OutlineRow.__tablename__]])
    with Session(engine.execution_options(**READ_ONLY)) as session:
        studies = session.execute(
            select(StudyRow.id, StudyRow.name, StudyRow.model, cast(StudyRow.objective_body, Text)).order_by(
                StudyRow.id.desc()
            )
        ).all()
        counted = select(TrialRow.study_id, func.count()).group_by(TrialRow.study_id)
        rows = {row.study_id: row[1] for row in session.execute(counted)}
        kept = {row.study_id: row for row in _kept(session)}
    found, made = [], []
    for study_id, name, model, body in studies:
        row, count = kept.get(study_id), rows.get(study_id, 0)
        if row is not None and row.rows == count:
            with suppress(ValueError, KeyError, TypeError):  # a damaged row: `make` says so
                found.append(StudyOutline(name, model, decode(json.loads(body)), row.trials, row.best, row.gain))
                continue
        outline = make(name)
        if outline is None:
            continue
        found.append(outline)
        made.append(
            OutlineRow(study_id=study_id, rows=count, trials=outline.trials, best=outline.best, gain=outline.gain)
        )
    if made:
        with suppress(SQLAlchemyError), Session(engine) as session, session.begin():
            for row in made:
                session.merge(row)
    return found


def forget(session: Session, study_id: int | None) -> None:
    """Removes a study's line: one of its results was replaced."""
    session.execute(delete(OutlineRow).where(OutlineRow.study_id == study_id))


def _kept(session: Session) -> Iterator[OutlineRow]:
    with suppress(SQLAlchemyError):
        yield from session.scalars(select(OutlineRow))
