"""Tables for scripts and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from autotune.store._tables import ProbeRow, ServerStatisticsRow, TrialRow

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy.orm import Session

_HIDDEN = frozenset({"id", "trial_id", "probe_id", "body", "histogram"})


def probe_frame(session: Session, study_id: int) -> pd.DataFrame:
    """One line per probe of a study; see `Store.probes`."""
    import pandas as pd

    trial = (TrialRow.number, TrialRow.role, TrialRow.label, TrialRow.kind, TrialRow.candidate_key)
    probe = [column for column in ProbeRow.__table__.columns if column.name not in _HIDDEN]
    server = [
        column.label(f"server_{column.name}")
        for column in ServerStatisticsRow.__table__.columns
        if column.name not in _HIDDEN
    ]
    answer = session.execute(
        select(*trial, *probe, *server)
        .join(ProbeRow, ProbeRow.trial_id == TrialRow.id)
        .join(ServerStatisticsRow, ServerStatisticsRow.probe_id == ProbeRow.id)
        .where(TrialRow.study_id == study_id)
        .order_by(TrialRow.id, ProbeRow.position)
    )
    return pd.DataFrame([tuple(row) for row in answer], columns=list(answer.keys()))
