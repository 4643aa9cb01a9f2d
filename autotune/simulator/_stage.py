"""One model of several that are simulated together."""

from __future__ import annotations

from dataclasses import dataclass

from autotune.simulator._batching import Batching
from autotune.simulator._service import ServiceTimes


@dataclass(frozen=True, eq=False)
class Stage:
    """A model with its batcher and instances: the only one, a step of a pipeline, or one that shares a server.

    Attributes:
        batching: How its batches form.
        service: How long its executions take.
        after: Places of the steps that it waits for, all before its own; none gets the requests themselves.
        device: The device that its instances share; stages with the same number wait for each other there.
        calls: Whether the model calls the stages after it (BLS): an instance is held until all of them have ended for
            its request. Only the first stage may.
    """

    batching: Batching
    service: ServiceTimes
    after: tuple[int, ...] = ()
    device: int = 0
    calls: bool = False
