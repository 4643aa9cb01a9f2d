"""Whether one config sustains a load under the ceilings, and with which latency."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import takewhile
from threading import Event
from typing import TYPE_CHECKING

import numpy as np

from autotune.arrivals import POISSON, Arrivals
from autotune.simulator._draws import Draws
from autotune.simulator._prediction import Prediction, statistics_s
from autotune.simulator._stage import Stage
from autotune.simulator._window import WARM_UP, Runner

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autotune.objective import Ceiling
    from autotune.simulator._batching import Batching
    from autotune.simulator._service import ServiceTimes

_LEFT_BEHIND = 0.02
_BATCHES_TO_SATURATE = 60
_ALWAYS = ("p50", "p99", "avg")


def predict_each(
    candidates: Sequence[Batching],
    service: ServiceTimes,
    ceilings: Sequence[Ceiling],
    requests: int,
    seed: int,
    predict: Callable[[LoadedConfig], Prediction],
    spacing: Arrivals = POISSON,
) -> list[Prediction]:
    """What ``predict`` says of each candidate, in their order; all meet the same requests.

    A thread for every core takes its share of them: compiled code and numpy's sorting leave the interpreter to others.
    A person who interrupts waits for no more than the candidate that each of them is at.
    """
    reached = service.up_to(max((each.max_batch_size for each in candidates), default=1))
    draws = Draws.of(reached, requests, seed, spacing)

    ended = Event()

    def share(number: int) -> list[Prediction]:
        configs = _loaded_configs(candidates[number::threads], reached, ceilings, draws)
        return [predict(config) for config in takewhile(lambda _: not ended.is_set(), configs)]

    threads = max(1, min(len(os.sched_getaffinity(0)), len(candidates)))
    predictions: list[Prediction | None] = [None] * len(candidates)
    with ThreadPoolExecutor(threads) as pool:
        try:
            for number, found in enumerate(pool.map(share, range(threads))):
                predictions[number::threads] = found
        finally:
            ended.set()
    return [each for each in predictions if each is not None]


def _loaded_configs(
    candidates: Sequence[Batching], service: ServiceTimes, ceilings: Sequence[Ceiling], draws: Draws
) -> Iterator[LoadedConfig]:
    """One for each candidate; they share their arrays, so that only the newest may be used."""
    config = None
    for batching in candidates:
        config = LoadedConfig(batching, service, ceilings, draws, config.runner if config else None)
        yield config


class LoadedConfig:
    """One config under one window of requests: random arrivals stretched to any rate, or a closed loop of any size.

    Attributes:
        saturation_per_s: Requests/s with the queue never empty.
    """

    def __init__(
        self,
        batching: Batching,
        service: ServiceTimes,
        ceilings: Sequence[Ceiling],
        draws: Draws,
        out: Runner | None = None,
    ) -> None:
        self.runner = Runner([Stage(batching, service)], [draws], out)
        self._ceilings = ceilings
        self._draws = draws
        self._requests = len(draws.arrivals)
        self._kept: tuple[float, NDArray[np.float64], int] | None = None
        # Never counted as behind: what the instances hold and the payloads queued ahead of them.
        self._in_flight = 3 * batching.instances * batching.max_batch_size
        self.saturation_per_s = self._saturation_per_s(batching)

    def level(self, rate_per_s: float) -> float:
        """How close a rate comes to breaking a ceiling, see `Runner.run_within`, or to leaving requests behind.

        Up to 1 the rate is sustained.
        """
        level, finished, behind = self.runner.run_within(self._ceilings, self._draws.arrivals, 1 / rate_per_s)
        if finished == self._requests:
            level = max(level, behind / (self._in_flight + _LEFT_BEHIND * self._requests))
        if level <= 1:
            self._kept = (rate_per_s, self.runner.latency_s.copy(), int(self.runner.executions.sum()))
        return level

    def in_closed_loop(self, concurrency: int) -> Prediction | None:
        """What a closed loop of ``concurrency`` outstanding requests looks like; None where a ceiling is broken."""
        sent_s = np.empty(self._requests)
        level, _, _ = self.runner.run_within(self._ceilings, sent_s, 1.0, concurrency)
        if level > 1:
            return None
        # The drain at the end is left out as the start is.
        first, last = int(WARM_UP * self._requests), int((1 - WARM_UP) * self._requests) - 1
        ended_s = np.partition(sent_s + self.runner.latency_s - self._draws.overhead_s, (first, last))
        completed_per_s = float((last - first) / (ended_s[last] - ended_s[first]))
        executions = int(self.runner.executions.sum())
        return replace(self._prediction(completed_per_s, self.runner.latency_s, executions), concurrency=concurrency)

    @property
    def sustained_per_s(self) -> float:
        """The rate that was sustained last; 0 where none was."""
        return self._kept[0] if self._kept else 0.0

    def at(self, rate_per_s: float, *, sustained: bool, statistics: Sequence[str] = ()) -> Prediction:
        """What the whole window looks like at a rate; at the one sustained last it is known."""
        if self._kept is None or self._kept[0] != rate_per_s:
            self.runner.run(self._draws.arrivals, 1 / rate_per_s)
            self._kept = (rate_per_s, self.runner.latency_s, int(self.runner.executions.sum()))
        _, latency_s, executions = self._kept
        return self._prediction(rate_per_s if sustained else 0.0, latency_s, executions, statistics)

    def _prediction(
        self, rate_per_s: float, latency_s: NDArray[np.float64], executions: int, statistics: Sequence[str] = ()
    ) -> Prediction:
        names = dict.fromkeys((*_ALWAYS, *(ceiling.statistic for ceiling in self._ceilings), *statistics))
        return Prediction(
            rate_per_s,
            self.saturation_per_s,
            statistics_s(latency_s[int(WARM_UP * self._requests) :], tuple(names)),
            self._requests / executions,
        )

    def _saturation_per_s(self, batching: Batching) -> float:
        """Completions per second in the middle of a window in which everything arrives at once."""
        requests = min(self._requests, _BATCHES_TO_SATURATE * batching.instances * batching.max_batch_size)
        self.runner.run(np.zeros(requests), 1.0)
        ended_s = np.sort(self.runner.latency_s[:requests] - self._draws.overhead_s[:requests])
        begin_s, end_s = ended_s[requests // 4], ended_s[3 * requests // 4]
        begin, end = np.searchsorted(ended_s, (begin_s, end_s), "right")
        return float((end - begin) / (end_s - begin_s)) if end > begin else requests / float(ended_s[-1])
