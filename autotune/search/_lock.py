"""One process runs a study at a time: a second one would take the first one's running trial for a dead one's."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from autotune.locks import exclusive


def study_lock(beside: Path, study: str) -> AbstractContextManager[None]:
    """Holds the study until the context is left; raises `UsageError` if another process runs it.

    Args:
        beside: The directory of the database, or of the results where the database is no file.
        study: The study's name.
    """
    return exclusive(
        beside / f".{study}.lock",
        f"--study: another process is running study {study!r}; wait for it or choose another --study",
    )
