"""A file that one process holds at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autotune.errors import UsageError


@contextmanager
def exclusive(file: Path, refusal: str) -> Iterator[None]:
    """Holds a file until the context is left; the kernel lets go of it for a dead process.

    Args:
        file: It is created where it is missing; its directory must be there.
        refusal: What another process that wants it is answered.

    Raises:
        UsageError: Another process holds it.
    """
    with file.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(refusal) from None
        yield
