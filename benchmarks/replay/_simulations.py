"""Simulates a space once for all the seeds that learnt the same service times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from unittest.mock import patch

from autotune.objective import Ceiling
from autotune.prediction import _simulated_space
from autotune.simulator import Batching, Prediction, ServiceTimes, highest_rates


@contextmanager
def remembered(arrivals: int) -> Iterator[None]:
    """Within it, predictors share simulations.

    A grid holds the windows of each start once, so that all seeds learn the same service times and would simulate the
    same again and again.

    Args:
        arrivals: How many different seeds of simulated arrivals there are; a study's own seed chooses among them.
    """
    known: dict[tuple[object, ...], list[Prediction]] = {}

    def remembering(
        candidates: Sequence[Batching],
        service: ServiceTimes,
        ceilings: Sequence[Ceiling],
        *,
        requests: int,
        seed: int,
    ) -> list[Prediction]:
        times = tuple(vars(service)[name].tobytes() for name in ("host_s", "device_s", "overhead_s", "spread"))
        numbers = service.request_cpu_s, service.execution_cpu_s, service.contention, service.handed_out
        key = (tuple(candidates), *times, numbers, tuple(ceilings), requests, seed % arrivals)
        if key not in known:
            known[key] = highest_rates(candidates, service, ceilings, requests=requests, seed=seed % arrivals)
        return known[key]

    # The coordinator makes its predictor itself; this name is the one place where it simulates.
    with patch.object(_simulated_space, "highest_rates", remembering):
        yield
