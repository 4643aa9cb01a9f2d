"""What every load generator can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from autotune.errors import AutotuneError

if TYPE_CHECKING:
    from autotune.load._result import LoadResult
    from autotune.load._schedule import Schedule
    from autotune.load._watch import Watch


class LoadGeneratorFailed(AutotuneError):
    """The load generator itself failed (its process died, say); nothing is known about the server."""


class LoadGenerator(Protocol):
    """A client that offers load to one model of one server."""

    protocol: str

    def run(self, schedule: Schedule, duration_s: float, timeout_s: float, watch: Watch | None = None) -> LoadResult:
        """Offers ``schedule`` for ``duration_s``, then waits for what is outstanding up to ``timeout_s``.

        ``watch`` receives the progress and may end the window early.

        Never raises for what the server does (each failure is counted by kind) and never runs longer than
        ``duration_s + timeout_s`` plus scheduling noise.
        """

    def close(self) -> None:
        """Closes connections and ends worker processes; safe to call twice."""
