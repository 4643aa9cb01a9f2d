"""The time that the client of a closed loop takes for each answer."""

from __future__ import annotations

import time
from random import Random

# Not worth going to sleep for.
_SHORTEST_SLEEP_S = 10e-6


class Pace:
    """Makes answers wait for a client that deals with one after the other. What this process does for each of them
    comes on top.

    Args:
        mean_s: Seconds for an answer, each drawn from an exponential distribution with this mean.
        seed: Of those draws; the same for every window of one concurrency.
    """

    def __init__(self, mean_s: float, seed: int) -> None:
        self._rate_per_s = 1 / mean_s
        self._random = Random(seed)  # noqa: S311 - nothing is kept secret
        self._free_at = 0.0

    def take(self) -> None:
        """Waits until the client is done with the answers before, and with this one."""
        now = time.perf_counter()
        self._free_at = max(self._free_at, now) + self._random.expovariate(self._rate_per_s)
        rest_s = self._free_at - now
        if rest_s > _SHORTEST_SLEEP_S:
            time.sleep(rest_s - _SHORTEST_SLEEP_S)
