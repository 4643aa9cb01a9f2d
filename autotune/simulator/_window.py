"""One window of load against one config."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autotune.simulator._draws import Draws

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from autotune.simulator._batching import Batching
    from autotune.simulator._service import ServiceTimes


@dataclass(frozen=True, eq=False)
class Simulated:
    """What became of a window's requests, in order of arrival.

    Attributes:
        latency_s: Latency of each request, overhead included, shape (n,).
        queue_s: How long each request waited in the batcher for its execution to start, shape (n,).
        batch_executions: Executions of each batch size that occurred.
        makespan_s: From time 0 of the arrivals to the end of the last execution.
        carried_per_s: Requests per second of that time.
    """

    latency_s: NDArray[np.float64]
    queue_s: NDArray[np.float64]
    batch_executions: Mapping[int, int]
    makespan_s: float
    carried_per_s: float

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
    runner = Runner(batching, service.up_to(batching.max_batch_size), Draws.of(service, len(arrivals_s), seed))
    makespan_s = runner.run(arrivals_s, 1.0)[2] if len(arrivals_s) else 0.0
    sizes = np.flatnonzero(runner.executions)
    return Simulated(
        runner.latency_s,
        runner.queue_s,
        {int(size): int(runner.executions[size]) for size in sizes},
        makespan_s,
        len(arrivals_s) / makespan_s if makespan_s else 0.0,
    )


class Runner:
    """One config and the arrays that its windows fill; every run starts from an idle model and overwrites them."""

    def __init__(self, batching: Batching, service: ServiceTimes, draws: Draws, out: Runner | None = None) -> None:
        """``service`` must reach up to ``max_batch_size``; ``out`` lends its arrays, where as many requests ran."""
        requests = len(draws.arrivals)
        self.batching = batching
        self.latency_s: NDArray[np.float64] = out.latency_s if out else np.full(requests, np.inf)
        self.queue_s: NDArray[np.float64] = out.queue_s if out else np.full(requests, np.inf)
        self.ready_s: NDArray[np.float64] = out.ready_s if out else np.full(requests, np.inf)
        self.executions = np.zeros(batching.max_batch_size + 1, np.int64)
        self.over = np.empty(0)
        self._service = service
        self._after_s = service.after_s
        self._draws = draws
        # A client gets its answer after the overhead, thinks, and sends the next request.
        self._think_s = (float(draws.overhead_s.mean()) if requests else 0.0) + service.client_s
        self._preferred = batching.sent_at_once()
        self._shapes = np.array(batching.shapes or (0,), np.int64)

    def run(
        self,
        unit_s: NDArray[np.float64],
        scale: float,
        limits_s: NDArray[np.float64] = np.empty(0),  # noqa: B008 - never written
        allowed: NDArray[np.float64] = np.empty(0),  # noqa: B008
        first_counted: int = 0,
        concurrency: int = 0,
    ) -> tuple[int, int, float]:
        """See `autotune.simulator._kernel.run_window`; what was over the limits is in ``over``."""
        from autotune.simulator._kernel import run_window

        self.executions[:] = 0
        self.over = np.zeros(len(limits_s))
        return run_window(
            unit_s,
            scale,
            concurrency,
            self._think_s,
            self._draws.overhead_s,
            self._draws.factors,
            self._draws.batcher_first,
            self._service.host_s,
            self._service.device_s,
            self._after_s,
            self._service.request_cpu_s,
            self._service.execution_cpu_s,
            self._service.contention,
            self.batching.max_batch_size,
            self.batching.dynamic,
            self.batching.max_queue_delay_s,
            self.batching.compares_shapes,
            self.batching.instances,
            self._preferred,
            self._shapes,
            limits_s,
            allowed,
            first_counted,
            self.over,
            self.ready_s,
            self.latency_s,
            self.queue_s,
            self.executions,
        )
