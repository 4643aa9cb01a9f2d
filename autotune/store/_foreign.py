"""Databases of other programs are left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import inspect

from autotune.errors import UsageError
from autotune.store._tables import Base, SchemaRow

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

OPTUNA_TABLES = frozenset(
    {
        "alembic_version",
        "studies",
        "study_directions",
        "study_system_attributes",
        "study_user_attributes",
        "trial_heartbeats",
        "trial_intermediate_values",
        "trial_params",
        "trial_system_attributes",
        "trial_user_attributes",
        "trial_values",
        "trials",
        "version_info",
    }
)
"""The tables of Optuna's storage; importing Optuna to ask takes longer than opening the database."""


def check_tables(engine: Engine, flag: str) -> None:
    """Raises `UsageError` if a database has tables of another program and none of ours; ``flag`` named it."""
    names = set(inspect(engine).get_table_names())
    foreign = names - OPTUNA_TABLES - Base.metadata.tables.keys()
    if foreign and SchemaRow.__tablename__ not in names:
        shown = ", ".join(sorted(foreign)[:3])
        raise UsageError(
            f"{flag}: this database belongs to another program (its tables: {shown}); name another database"
        )
