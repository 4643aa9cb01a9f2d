"""The time that the client of a closed loop takes for each answer."""

from __future__ import annotations

import time

import numpy as np

from autotune.client_time import client_times

# Not worth going to sleep for.
_SHORTEST_SLEEP_S = 10e-6
_BLOCK = 2000  # answers


class Pace:
    """Makes answers wait for a client that deals with one after the other. What this process does for each of them
    comes on top.

    Args:
        mean_s: Mean seconds for an answer; see `autotune.client_time`.
        seed: Of those draws; the same for every window of one concurrency.
    """

    def __init__(self, mean_s: float, seed: int) -> None:
        self._mean_s = mean_s
        self._random = np.random.default_rng(seed)
        self._takes_s: list[float] = []
        self._free_at = 0.0

    def take(self) -> None:
        """Waits until the client is done with the answers before, and with this one."""
        now = time.perf_counter()
        if not self._takes_s:
            self._takes_s = (self._mean_s * client_times(self._random, _BLOCK)).tolist()
        self._free_at = max(self._free_at, now) + self._takes_s.pop()
        rest_s = self._free_at - now
        if rest_s > _SHORTEST_SLEEP_S:
            time.sleep(rest_s - _SHORTEST_SLEEP_S)
