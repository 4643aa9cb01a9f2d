"""One window of load against one config."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from autotune.simulator._draws import Draws
from autotune.simulator._stage import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from autotune.objective import Ceiling
    from autotune.simulator._batching import Batching
    from autotune.simulator._service import ServiceTimes


WARM_UP = 0.1
"""The part of a window whose requests are not counted: the queue starts empty."""


@dataclass(frozen=True, eq=False)
class Simulated:
    """What became of a window's requests, in order of arrival.

    Attributes:
        latency_s: Latency of each request, overhead included, shape (n,).
        queue_s: How long each request waited in the batcher for its execution to start, shape (n,).
        batch_executions: Executions of each batch size that occurred.
        makespan_s: From time 0 of the arrivals to the end of the last execution.
        completed_per_s: Requests per second of that time.
    """

    latency_s: NDArray[np.float64]
    queue_s: NDArray[np.float64]
    batch_executions: Mapping[int, int]
    makespan_s: float
    completed_per_s: float

    @property
    def mean_batch(self) -> float:
        """Requests per execution; NaN without requests."""
        executions = sum(self.batch_executions.values())
        return len(self.latency_s) / executions if executions else float("nan")


def simulate(batching: Batching, service: ServiceTimes, arrivals_s: NDArray[np.float64], seed: int = 0) -> Simulated:
    """Sends requests at ``arrivals_s`` (seconds, ascending, from 0 on), each of one item, to an idle model.

    Args:
        batching: How batches form.
        service: How long executions take.
        arrivals_s: Send times.
        seed: Draws overheads and the spread of executions.

    Raises:
        ValueError: The times are not ascending or negative.
    """
    arrivals_s = np.array(arrivals_s, np.float64)  # a copy: a read-only array would be compiled for once more
    if len(arrivals_s) and (arrivals_s[0] < 0 or (np.diff(arrivals_s) < 0).any()):
        raise ValueError("arrivals are times from 0 on, in ascending order")
    runner = Runner([Stage(batching, service)], [Draws.of(service, len(arrivals_s), seed)])
    makespan_s = runner.run(arrivals_s, 1.0)[2] if len(arrivals_s) else 0.0
    executions = runner.executions[0]
    return Simulated(
        runner.latency_s,
        runner.queue_s,
        {int(size): int(executions[size]) for size in np.flatnonzero(executions)},
        makespan_s,
        len(arrivals_s) / makespan_s if makespan_s else 0.0,
    )


class Runner:
    """The stages of one config and the arrays that its windows fill.

    Every run starts from an idle server and overwrites them.

    Args:
        stages: The model; the steps of a pipeline; or models that share a server.
        draws: The random numbers of each stage; overheads are those of the first.
        out: Lends its arrays, where as many requests ran through as many stages.
        owners: The only stage of each request, shape (n,), of models that share a server; None where each request
            passes all stages.

    Attributes:
        latency_s: Of each request, shape (n,).
        queue_s: Its time in batchers, shape (n,).
        executions: Executions of each batch size, by stage.
        busy_s: Seconds that they took, waits for the device included, by stage.
        over: What was over the limits of the latest run.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        draws: Sequence[Draws],
        out: Runner | None = None,
        owners: NDArray[np.int64] | None = None,
    ) -> None:
        requests, count = len(draws[0].arrivals), len(stages)
        largest = max(each.batching.max_batch_size for each in stages)
        services = [each.service.up_to(largest) for each in stages]
        self.stages = stages
        self.latency_s: NDArray[np.float64] = out.latency_s if out else np.full(requests, np.inf)
        self.queue_s: NDArray[np.float64] = out.queue_s if out else np.full(requests, np.inf)
        self.executions = np.zeros((count, largest + 1), np.int64)
        self.busy_s = np.zeros(count)
        self.over = np.empty(0)
        self._order: NDArray[np.int64] = out._order if out else np.empty((count, requests), np.int64)
        self._ready_s: NDArray[np.float64] = out._ready_s if out else np.empty((count, requests))
        passed = requests if owners is None else 0
        self._missing = np.empty((count, passed), np.int8) if count > 1 else None
        self._overhead_s = draws[0].overhead_s
        # A client gets its answer after the overhead, thinks, and sends the next request.
        self._think_s = (float(self._overhead_s.mean()) if requests else 0.0) + services[0].client_s
        self._request_cpu_s = services[0].request_cpu_s
        follows = np.zeros((count, count), np.bool_)
        for place, each in enumerate(stages):
            follows[place, list(each.after)] = True
        shapes = [each.batching.shapes or (0,) for each in stages]
        repeat = math.lcm(*map(len, shapes))
        self._owners = np.empty(0, np.int64) if owners is None else owners
        self._follows = follows
        self._devices = np.array([each.device for each in stages])
        self._factors = _rows([each.factors for each in draws])
        self._batcher_first = _rows([each.batcher_first for each in draws])
        self._host_s = _rows([each.host_s for each in services])
        self._device_s = _rows([each.device_s for each in services])
        self._after_s = _rows([each.after_s for each in services])
        self._execution_cpu_s = np.array([each.execution_cpu_s for each in services])
        self._contention = np.array([each.contention for each in services])
        batchings = [each.batching for each in stages]
        self._max_batch = np.array([each.max_batch_size for each in batchings])
        self._dynamic = np.array([each.dynamic for each in batchings])
        self._delay_s = np.array([each.max_queue_delay_s for each in batchings])
        self._always_wakes = np.array([each.compares_shapes for each in batchings])
        self._instances = np.array([each.instances for each in batchings])
        self._preferred = np.array([each.sent_at_once(largest) for each in batchings])
        self._shapes = np.array([each * (repeat // len(each)) for each in shapes], np.int64)

    def run_within(
        self, ceilings: Sequence[Ceiling], unit_s: NDArray[np.float64], scale: float, concurrency: int = 0
    ) -> tuple[float, int, int]:
        """Runs a window until it is known to break a ceiling; the first part `WARM_UP` of it is not counted.

        Returns:
            How close it comes to breaking one: requests over the limit as a multiple of those allowed, of a mean its
            multiple of the limit; the largest over all ceilings, of what ran. The requests that it finished and those
            that it left behind.
        """
        requests = len(self.latency_s)
        first_counted = int(WARM_UP * requests)
        limits_s, allowed = _limits(tuple(ceilings), requests - first_counted)
        finished, behind, _ = self.run(unit_s, scale, limits_s, allowed, first_counted, concurrency)
        seen = max(1, finished - first_counted) / (requests - first_counted)
        level = float((np.abs(self.over) / np.maximum(np.abs(allowed), 0.5)).max(initial=0.0)) / seen
        return level, finished, behind

    def run(
        self,
        unit_s: NDArray[np.float64],
        scale: float,
        limits_s: NDArray[np.float64] = np.empty(0),  # noqa: B008 - never written
        allowed: NDArray[np.float64] = np.empty(0),  # noqa: B008
        first_counted: int = 0,
        concurrency: int = 0,
        earliest_s: NDArray[np.float64] = np.empty(0),  # noqa: B008
    ) -> tuple[int, int, float]:
        """See `autotune.simulator._kernel.run_window`; what was over the limits is in ``over``.

        With ``earliest_s`` nobody thinks: whatever waits for its turn comes when another ends.
        """
        from autotune.simulator._kernel import run_window

        self.executions[:] = 0
        self.busy_s[:] = 0.0
        self.over = np.zeros(len(limits_s))
        return run_window(
            unit_s,
            scale,
            concurrency,
            0.0 if len(earliest_s) else self._think_s,
            earliest_s,
            self._overhead_s,
            self._owners,
            self._follows,
            self._devices,
            self._factors,
            self._batcher_first,
            self._host_s,
            self._device_s,
            self._after_s,
            self._request_cpu_s,
            self._execution_cpu_s,
            self._contention,
            self._max_batch,
            self._dynamic,
            self._delay_s,
            self._always_wakes,
            self._instances,
            self._preferred,
            self._shapes,
            limits_s,
            allowed,
            first_counted,
            self.over,
            self._order,
            self._missing,
            self._ready_s,
            self.latency_s,
            self.queue_s,
            self.executions,
            self.busy_s,
        )


@lru_cache(maxsize=64)  # every config of a space meets the same ones
def _limits(ceilings: tuple[Ceiling, ...], counted: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The limits and what may be over each, see `autotune.simulator._kernel.run_window`."""
    limits_s = np.array([ceiling.limit_s for ceiling in ceilings], np.float64)
    parts = [-1.0 if each.is_mean else round(1 - each.quantile, 12) for each in ceilings]
    return limits_s, np.round(np.array(parts, np.float64) * counted, 6)


_Row = TypeVar("_Row", bound=np.generic)


def _rows(rows: Sequence[NDArray[_Row]]) -> NDArray[_Row]:
    """The rows as one array that may be written; not copied if it is one row that may be."""
    if len(rows) == 1 and rows[0].flags.writeable:
        return rows[0][np.newaxis]
    return np.stack(rows)
