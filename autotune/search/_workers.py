"""Where trials are executed: the coordinator submits them and waits for the next one that ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from autotune.search._executor import Executor, Trial, TrialWatch

if TYPE_CHECKING:
    from autotune.outcome import TrialOutcome


@dataclass(frozen=True)
class Ended:
    """A trial that was executed.

    Attributes:
        number: The trial's number.
        outcome: How it ended.
    """

    number: int
    outcome: TrialOutcome


class Workers(Protocol):
    """Executes as many trials at a time as there are workers. A trial that is submitted ends once."""

    @property
    def count(self) -> int:
        """How many trials may run at a time now, at least 1."""

    def submit(self, trial: Trial, watch: TrialWatch) -> None:
        """Starts a trial, or keeps it until a worker is free."""

    def wait(self) -> Ended:
        """Waits until one of the submitted trials ends.

        Raises:
            UsageError: The request is at fault for every config.
        """

    def cancel(self) -> None:
        """Gives up the trials that were submitted and have not ended."""


class OneWorker:
    """Executes trials by an executor, one at a time.

    Args:
        executor: What executes them.
    """

    count = 1

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._submitted: list[tuple[Trial, TrialWatch]] = []

    def submit(self, trial: Trial, watch: TrialWatch) -> None:
        """Keeps the trial until it is waited for."""
        self._submitted.append((trial, watch))

    def wait(self) -> Ended:
        """See `Workers`."""
        trial, watch = self._submitted.pop(0)
        return Ended(trial.number, self._executor.execute(trial, watch))

    def cancel(self) -> None:
        """See `Workers`."""
        self._submitted.clear()
