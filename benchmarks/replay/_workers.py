"""Several workers on a simulated clock: each trial takes the seconds of its outcome."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from autotune.outcome import TrialOutcome
from autotune.search import Ended, Executor, Trial, TrialWatch


class SimulatedWorkers:
    """Stands for `autotune.search.Workers`: ends trials in the order of their simulated ends.

    Args:
        executor: What answers.
        count: How many trials run at a time.

    Attributes:
        count: See above.
        now_s: The simulated time.
        ended_s: Trial number to the time at which it ended.
    """

    def __init__(self, executor: Executor, count: int) -> None:
        self.count = count
        self.now_s = 0.0
        self.ended_s: dict[int, float] = {}
        self._executor = executor
        self._running: list[tuple[float, int, TrialOutcome]] = []

    def submit(self, trial: Trial, watch: TrialWatch) -> None:
        """Starts a trial now."""
        outcome = self._executor.execute(trial, watch)
        heapq.heappush(self._running, (self.now_s + outcome.seconds, trial.number, outcome))

    def wait(self) -> Ended:
        """The next trial that ends, at its time."""
        self.now_s, number, outcome = heapq.heappop(self._running)
        self.ended_s[number] = self.now_s
        return Ended(number, outcome)

    def cancel(self) -> None:
        """Drops what runs."""
        self._running.clear()

    @property
    def clock(self) -> Callable[[], float]:
        """Simulated seconds, for a coordinator."""
        return lambda: self.now_s
