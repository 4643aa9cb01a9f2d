"""Simulates a space once for all the seeds that learnt the same service times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from autotune.prediction import _simulated_space
from autotune.repository import ModelConfig, RequestShapes
from autotune.simulator import Batching, Prediction, ServiceTimes
from autotune.space import Candidate, SearchSpace

_SIMULATING = ("highest_rates", "highest_throughputs")


@contextmanager
def remembered(arrivals: int) -> Iterator[None]:
    """Within it, predictors share simulations, and what the configs of a space say about batching.

    A grid holds the windows of each start once, so that all seeds learn the same service times and would simulate the
    same again and again.

    Args:
        arrivals: How many different seeds of simulated arrivals there are; a study's own seed chooses among them.
    """
    batchings_of = _simulated_space.batchings_of
    read: dict[tuple[object, ...], list[tuple[Batching | None, bool]]] = {}

    def reading(
        space: SearchSpace, base: ModelConfig, candidates: Sequence[Candidate], requests: RequestShapes | None = None
    ) -> list[tuple[Batching | None, bool]]:
        shapes = str(requests.requests) if requests else ""
        key = (space.digest, base.to_text(), shapes, tuple(candidate.key for candidate in candidates))
        if key not in read:
            read[key] = batchings_of(space, base, candidates, requests)
        return read[key]

    # The coordinator makes its predictor itself; these names are the one place where it simulates.
    with ExitStack() as stack:
        stack.enter_context(patch.object(_simulated_space, "batchings_of", reading))
        for name in _SIMULATING:
            simulate = getattr(_simulated_space, name)
            stack.enter_context(patch.object(_simulated_space, name, _remembering(simulate, arrivals)))
        yield


def _remembering(simulate: Callable[..., list[Prediction]], arrivals: int) -> Callable[..., list[Prediction]]:
    known: dict[tuple[object, ...], list[Prediction]] = {}

    def remembering(
        candidates: Sequence[Batching], service: ServiceTimes, ceilings: Sequence[Any], *, seed: int, **how: Any
    ) -> list[Prediction]:
        times = tuple(vars(service)[name].tobytes() for name in ("host_s", "device_s", "overhead_s", "spread"))
        numbers = tuple(value for value in vars(service).values() if isinstance(value, float))
        key = (tuple(candidates), *times, numbers, tuple(ceilings), tuple(how.items()), seed % arrivals)
        if key not in known:
            known[key] = simulate(candidates, service, ceilings, seed=seed % arrivals, **how)
        return known[key]

    return remembering
