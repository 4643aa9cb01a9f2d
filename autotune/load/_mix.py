"""Requests to several models in one load: which model each request goes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autotune.load._schedule import ConstantRate, Share

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autotune.load._schedule import Schedule

CYCLE = 4096
"""Requests of a closed loop after which the order of models repeats."""


@dataclass(frozen=True)
class Mix:
    """Several models share a load by weight. A request's *stream* is the place of its model.

    Attributes:
        weights: Each model's part of the requests, relative to the others'; above 0.
        requests: How many different requests each model has; they stand one model after the other in the target.
        outputs: The outputs that each model's responses must have; empty if that is not known.
    """

    weights: tuple[float, ...]
    requests: tuple[int, ...]
    outputs: tuple[tuple[str, ...], ...]

    def turns(self, schedule: Schedule, count: int | None) -> Turns:
        """The models of ``count`` requests of a schedule; of a closed loop (None), those of a cycle.

        Each Poisson arrival goes to a model drawn by the weights, so that the arrivals of each model are Poisson
        too, and independent (Kingman, *Poisson Processes*, 1993, section 5.1). Constant rates alternate evenly.
        """
        streams = self._streams(schedule, CYCLE if count is None else count)
        order = np.zeros(len(streams), np.int64)
        first = 0
        for stream, requests in enumerate(self.requests):
            places = np.flatnonzero(streams == stream)
            order[places] = first + np.arange(len(places)) % requests
            first += requests
        return Turns(streams, order, self.outputs)

    def _streams(self, schedule: Schedule, count: int) -> NDArray[np.int64]:
        if isinstance(schedule, Share):  # drawn for the whole; a process sends every n-th request
            return self._streams(schedule.whole, count * schedule.of)[schedule.index :: schedule.of]
        parts = np.array(self.weights) / sum(self.weights)
        if isinstance(schedule, ConstantRate):
            due = [(np.arange(int(count * part) + 2) + 0.5) / part for part in parts]
            owners = np.concatenate([np.full(len(each), stream, np.int64) for stream, each in enumerate(due)])
            return owners.take(np.argsort(np.concatenate(due), kind="stable"))[:count]
        random = np.random.default_rng((getattr(schedule, "seed", 0), len(self.weights)))
        return random.choice(len(parts), count, p=parts).astype(np.int64)


@dataclass(frozen=True)
class Turns:
    """The models of a window's requests.

    Attributes:
        streams: The stream of each request, shape (n,); of a closed loop it repeats after n requests.
        order: Which of the target's requests each one is, shape (n,).
        outputs: The outputs that responses of each stream must have.
    """

    streams: NDArray[np.int64]
    order: NDArray[np.int64]
    outputs: tuple[tuple[str, ...], ...]

    def between(self, first: int, last: int) -> NDArray[np.int64]:
        """The streams of the requests from index ``first`` to below ``last``."""
        places: NDArray[np.int64] = np.arange(first, last) % max(1, len(self.streams))
        return self.streams.take(places)

    def stream_of(self, index: int) -> int:
        """The stream of request ``index``."""
        return int(self.streams[index % len(self.streams)])

    def outputs_of(self, index: int) -> tuple[str, ...]:
        """The outputs that the response to request ``index`` must have."""
        return self.outputs[self.stream_of(index)]
