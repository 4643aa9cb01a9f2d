"""Reading trials: with all their windows, or only with those that decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, func, select
from sqlalchemy.orm import defer, lazyload

from autotune.store._records import WindowCount
from autotune.store._rows import trial_record
from autotune.store._tables import MeasurementRow, ProbeRow, TrialRow

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from autotune.store._records import TrialRecord, Windows


def read_trials(session: Session, query: Select[Any], windows: Windows) -> list[TrialRecord]:
    """The trials of a query.

    A window holds a histogram of hundreds of buckets, and a trial tens of windows: tables and plots of a whole study
    need only the windows that decided.
    """
    if windows == "all":
        return [trial_record(row) for row in session.scalars(query)]
    ids = query.order_by(None).with_only_columns(TrialRow.id).scalar_subquery()
    decided = session.scalars(
        select(ProbeRow)
        .join(
            MeasurementRow,
            and_(MeasurementRow.trial_id == ProbeRow.trial_id, MeasurementRow.decided_by == ProbeRow.position),
        )
        .where(ProbeRow.trial_id.in_(ids))
        .options(defer(ProbeRow.histogram))
    )
    by_trial = {row.trial_id: row for row in decided}
    rows = session.scalars(query.options(lazyload(TrialRow.probes)))
    return [trial_record(row, [by_trial[row.id]] if row.id in by_trial else []) for row in rows]


def count_windows(session: Session, study_id: int) -> list[WindowCount]:
    """The windows of a study's trials and runs by purpose, in the order in which purposes first occur."""
    answer = session.execute(
        select(
            ProbeRow.purpose,
            func.count(),
            func.sum(case((ProbeRow.verdict == "invalid", 1), else_=0)),
            func.sum(ProbeRow.requests),
            func.sum(ProbeRow.duration_s),
        )
        .join(TrialRow, TrialRow.id == ProbeRow.trial_id)
        .where(TrialRow.study_id == study_id)
        .group_by(ProbeRow.purpose)
        .order_by(func.min(ProbeRow.id))
    )
    return [WindowCount(*row) for row in answer]
