"""Brings the tables of an older version up to date; nothing that was measured is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, text

from autotune.store._tables import SCHEMA_VERSION, SchemaRow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_STEPS: dict[int, tuple[str, ...]] = {
    2: (
        "ALTER TABLE autotune_probe ADD COLUMN verdict VARCHAR(16)",
        "ALTER TABLE autotune_measurement ADD COLUMN confidence FLOAT",
        "ALTER TABLE autotune_measurement ADD COLUMN located_per_s FLOAT",
        "UPDATE autotune_probe SET verdict = CASE WHEN holds THEN 'holds' ELSE 'fails' END",
    ),
    3: ("ALTER TABLE autotune_study ADD COLUMN explanation JSON",),
}
"""What each version of the tables added to the one before, in SQL that SQLite and PostgreSQL understand."""


def upgrade(session: Session, written_by: str) -> None:
    """Takes every step from the database's version to this one's, in the session's transaction."""
    row = session.scalars(select(SchemaRow)).one()
    for version in range(row.version + 1, SCHEMA_VERSION + 1):
        for statement in _STEPS[version]:
            session.execute(text(statement))
    if row.version < SCHEMA_VERSION:
        session.delete(row)
        session.flush()
        session.add(SchemaRow(version=SCHEMA_VERSION, written_by=written_by))
