"""Brings the tables of an older version up to date; nothing that was measured is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, text

from autotune.store._tables import SCHEMA_VERSION, Base, SchemaRow

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
    4: (
        "ALTER TABLE autotune_trial ADD COLUMN trial_id INTEGER REFERENCES autotune_trial (id)",
        "ALTER TABLE autotune_trial ADD COLUMN round INTEGER",
        "CREATE INDEX ix_autotune_trial_trial_id ON autotune_trial (trial_id)",
        # Until then a run was known by the config it served.
        """UPDATE autotune_trial SET trial_id = (
            SELECT MIN(measured.id) FROM autotune_trial AS measured
            WHERE measured.study_id = autotune_trial.study_id AND measured.role = 'trial'
            AND measured.config_text = autotune_trial.config_text
        ) WHERE role IN ('final', 'certificate')""",
        """UPDATE autotune_trial SET round = (
            SELECT COUNT(*) FROM autotune_trial AS earlier
            WHERE earlier.study_id = autotune_trial.study_id AND earlier.role = 'final'
            AND earlier.kind NOT IN ('interrupted', 'client failed')
            AND earlier.config_text = autotune_trial.config_text AND earlier.id <= autotune_trial.id
            AND earlier.id > COALESCE((
                SELECT MAX(last.id) FROM autotune_trial AS last
                WHERE last.study_id = autotune_trial.study_id AND last.role = 'trial' AND last.id < autotune_trial.id
            ), 0)
        ) WHERE role = 'final'""",
        "UPDATE autotune_trial SET label = 'baseline' WHERE label = 'your config'",
        "UPDATE autotune_trial SET kind = 'pruned' WHERE kind = 'beaten'",
    ),
    5: (
        """INSERT INTO autotune_trial_config (trial_id, position, model, text)
            SELECT id, 0, model, config_text FROM autotune_trial""",
        "ALTER TABLE autotune_trial DROP COLUMN config_text",
        "ALTER TABLE autotune_study ADD COLUMN files TEXT",
    ),
    6: ("ALTER TABLE autotune_study ADD COLUMN repository TEXT",),
}
"""What each version of the tables added to the one before, in SQL that SQLite and PostgreSQL understand."""


def upgrade(session: Session, written_by: str) -> None:
    """Takes every step from the database's version to this one's, in the session's transaction."""
    Base.metadata.create_all(session.connection())
    row = session.scalars(select(SchemaRow)).one()
    for version in range(row.version + 1, SCHEMA_VERSION + 1):
        for statement in _STEPS[version]:
            session.execute(text(statement))
    if row.version < SCHEMA_VERSION:
        session.delete(row)
        session.flush()
        session.add(SchemaRow(version=SCHEMA_VERSION, written_by=written_by))
