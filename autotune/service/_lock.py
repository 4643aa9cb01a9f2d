"""One service runs the jobs of a results directory: a second one would end the first one's runs as left behind."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from autotune.locks import exclusive


def only_service(results: Path) -> AbstractContextManager[None]:
    """Holds a results directory until the context is left; raises `UsageError` if another service holds it."""
    results.mkdir(parents=True, exist_ok=True)
    return exclusive(
        results / ".service.lock",
        f"--results: another service runs the jobs of {results}; end it, or choose another --results",
    )
