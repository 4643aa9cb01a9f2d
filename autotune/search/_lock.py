"""One process runs a study at a time: a second one would take the first one's running trial for a dead one's."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autotune.errors import UsageError


@contextmanager
def study_lock(beside: Path, study: str) -> Iterator[None]:
    """Holds the study until the context is left; the kernel lets go of it for a dead process.

    Args:
        beside: The directory of the database, or of the results where the database is no file.
        study: The study's name.

    Raises:
        UsageError: Another process runs the study.
    """
    with (beside / f".{study}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"--study: another process is running study {study!r}; wait for it or choose another --study"
            ) from None
        yield
