"""One service runs the jobs of a results directory: a second one would end the first one's runs as left behind."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autotune.errors import UsageError


@contextmanager
def only_service(results: Path) -> Iterator[None]:
    """Holds a results directory until the context is left; the kernel lets go of it for a dead process.

    Raises:
        UsageError: Another service holds it.
    """
    results.mkdir(parents=True, exist_ok=True)
    with (results / ".service.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"--results: another service runs the jobs of {results}; end it, or choose another --results"
            ) from None
        yield
