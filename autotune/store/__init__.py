"""Everything a person measured, in tables beside Optuna's in the same database."""

from autotune.store._records import RunRole, StudyRecord, TrialRecord, WindowCount, Windows
from autotune.store._store import Store, database_url

__all__ = ["RunRole", "Store", "StudyRecord", "TrialRecord", "WindowCount", "Windows", "database_url"]
