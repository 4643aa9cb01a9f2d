"""Everything a person measured, in tables beside Optuna's in the same database."""

from autotune.store._database import database_url
from autotune.store._jobs import Job, JobState, JobStore, TooManyJobs
from autotune.store._records import RunRole, StudyOutline, StudyRecord, TrialRecord, WindowCount, Windows
from autotune.store._store import Store
from autotune.store._tables import now

__all__ = [
    "Job",
    "JobState",
    "JobStore",
    "RunRole",
    "Store",
    "StudyOutline",
    "StudyRecord",
    "TooManyJobs",
    "TrialRecord",
    "WindowCount",
    "Windows",
    "database_url",
    "now",
]
