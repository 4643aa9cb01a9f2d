"""One load from several processes, as many as its rate needs."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

import numpy as np

from autotune.errors import UsageError
from autotune.load._result import LoadResult
from autotune.load._schedule import ClosedLoop, OpenLoop, Schedule, check_schedule
from autotune.load._target import LoadOptions, Target
from autotune.load._watch import Progress
from autotune.load.worker._calibration import requests_per_s_of_a_process
from autotune.load.worker._generator import WorkerGenerator
from autotune.load.worker._messages import ARRAYS, Job

if TYPE_CHECKING:
    from autotune.load._watch import Watch

# How far ahead the common start is: time for every process to read its job.
_HEAD_START_S = 0.02

_SIZE_STEP_BYTES = 512
_capacities: dict[tuple[str, int, bool], float] = {}


def _calibrated(target: Target) -> float:
    """Requests/s of one process, measured once for requests of that size."""
    size = max(map(len, target.requests)) // _SIZE_STEP_BYTES
    key = (target.protocol, size, target.sequences is not None)
    known = _capacities.get(key)
    if known is None:
        known = _capacities[key] = requests_per_s_of_a_process(target)
    return known


def most_processes(options: LoadOptions) -> int:
    """The most client processes: by default half of the cores, as the server needs the others."""
    return options.max_processes or max(1, len(os.sched_getaffinity(0)) // 2)


Capacity = Callable[[Target], float]


class Fleet:
    """Runs a load in as many processes as it needs; see `autotune.load.LoadGenerator`.

    An open loop is split once its rate is more than one process can offer in time, which is measured once against a
    null server: each process sends every n-th request of the schedule, counted from a common start. A closed loop
    has no rate beforehand. It begins in one process, and its clients are split over twice as many after a window
    that kept the processes busier than `LoadOptions.client_busy`.

    Args:
        target: What to send where.
        capacity: Requests/s of one process, measured when first needed.
    """

    def __init__(self, target: Target, capacity: Capacity = _calibrated) -> None:
        self.protocol = target.protocol
        self._target = target
        self._capacity = capacity
        self._most = most_processes(target.options)
        self._workers = [WorkerGenerator(target)]
        self._closed_loop_processes = 1

    def run(self, schedule: Schedule, duration_s: float, timeout_s: float, watch: Watch | None = None) -> LoadResult:
        """Offers ``schedule``; see `autotune.load.LoadGenerator.run`.

        Raises:
            LoadGeneratorFailed: A process died or does not answer.
        """
        check_schedule(schedule, duration_s)
        processes = self.processes_for(schedule)
        more = [WorkerGenerator(self._target) for _ in range(processes - len(self._workers))]
        self._workers += more
        for worker in more:
            worker.wait_ready()  # or its share would start late
        if processes == 1:
            result = self._workers[0].run(schedule, duration_s, timeout_s, watch)
        else:
            result = self._run_together(schedule, processes, duration_s, timeout_s, watch)
        if (
            isinstance(schedule, ClosedLoop)
            and result.client_cpu_s > self._target.options.client_busy * processes * result.elapsed_s
        ):
            self._closed_loop_processes = min(2 * processes, self._most)
        return result

    def _run_together(
        self, schedule: Schedule, processes: int, duration_s: float, timeout_s: float, watch: Watch | None
    ) -> LoadResult:
        start_at = time.perf_counter() + _HEAD_START_S
        workers = self._workers[:processes]
        try:
            for index, worker in enumerate(workers):
                worker.begin(Job.watched(schedule.share(index, processes), duration_s, timeout_s, watch, start_at))
            return merged(_results(workers, watch), schedule)
        except BaseException:
            self.close()
            self._workers = [WorkerGenerator(self._target)]
            raise

    def processes_for(self, schedule: Schedule) -> int:
        """How many processes a schedule takes, at most as many as allowed."""
        if isinstance(schedule, ClosedLoop):
            return min(self._closed_loop_processes, schedule.concurrency)
        plan = self._target.sequences
        most = self._most if plan is None or plan.most is None else min(self._most, plan.most)
        return min(most, processes_for(schedule, self._target, self._capacity))

    def close(self) -> None:
        """Ends all processes; safe to call twice."""
        for worker in self._workers:
            worker.close()

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes there are."""
        return tuple(pid for worker in self._workers for pid in worker.pids)


def check_rate(target: Target, schedule: Schedule, capacity: Capacity = _calibrated) -> None:
    """Raises `UsageError` where this machine's client cannot offer ``schedule`` in time; says the most it can."""
    most = most_processes(target.options)
    if not isinstance(schedule, ClosedLoop) and processes_for(schedule, target, capacity) > most:
        raise UsageError(
            f"--rate: this client cannot offer {schedule.rate_per_s * target.batch_size:,.0f} inferences/s in time;"
            f" the most is about {capacity(target) * most * target.batch_size:,.0f}"
            f" ({most} client process{'es' if most > 1 else ''} on this machine)"
        )


def processes_for(schedule: OpenLoop, target: Target, capacity: Capacity) -> int:
    """How many processes of a ``capacity`` in requests/s a schedule takes."""
    if schedule.rate_per_s <= target.options.one_process_per_s:
        return 1
    return math.ceil(schedule.rate_per_s / capacity(target))


def _results(workers: list[WorkerGenerator], watch: Watch | None) -> list[LoadResult]:
    """Each worker's result; progress goes to the watch once all workers have reported a block."""
    results: dict[WorkerGenerator, LoadResult] = {}
    reports: dict[WorkerGenerator, list[Progress]] = {worker: [] for worker in workers}
    stopping = False
    while running := [worker for worker in workers if worker not in results]:
        silent = min(running, key=lambda worker: worker.silent_after)
        ready = wait([worker.connection for worker in running], max(0.0, silent.silent_after - time.monotonic()))
        for worker in running:
            if worker.connection not in ready and (ready or worker is not silent):
                continue
            answer = worker.receive()
            if isinstance(answer, LoadResult):
                results[worker] = answer
            else:
                reports[worker].append(answer)
        while watch is not None and not stopping and all(reports.values()):
            stopping = watch.on_progress(_joined([queue.pop(0) for queue in reports.values()]))
            if stopping:
                for worker in workers:
                    if worker not in results:
                        worker.stop()
    return [results[worker] for worker in workers]


def _joined(news: list[Progress]) -> Progress:
    """The progress of all processes together.

    Blocks are matched by position: each process reports the same blocks at a time, except perhaps the last. A block
    more or less in one report moves requests between neighbouring blocks but loses none.
    """
    blocks = max(len(each.requests) for each in news)
    limits = len(news[0].late)

    def summed(rows: list[tuple[int, ...]]) -> tuple[int, ...]:
        return tuple(sum(row[block] for row in rows if block < len(row)) for block in range(blocks))

    return Progress(
        now_s=max(each.now_s for each in news),
        requests=summed([each.requests for each in news]),
        late=tuple(summed([each.late[limit] for each in news]) for limit in range(limits)),
        pending=sum(each.pending for each in news),
        by_stream=tuple(summed([each.by_stream[place] for each in news]) for place in range(len(news[0].by_stream))),
    )


def merged(results: list[LoadResult], schedule: Schedule) -> LoadResult:
    """Several processes' shares of one load as one result, requests in schedule order.

    Times count from the earliest start; processes that began later by microseconds are shifted by them.
    """
    started_at = min(result.started_at for result in results)
    arrays = {}
    order = None
    for name in ARRAYS:
        parts = [getattr(result, name) for result in results]
        if any(part is None for part in parts):
            continue
        if name == "scheduled_s":
            parts = [part + (result.started_at - started_at) for part, result in zip(parts, results, strict=True)]
        values = np.concatenate(parts)
        order = np.argsort(values, kind="stable") if order is None else order
        arrays[name] = values[order]
    errors: dict[str, int] = {}
    for result in results:
        for kind, count in result.errors.items():
            errors[kind] = errors.get(kind, 0) + count
    return replace(
        results[0],
        schedule=schedule,
        duration_s=max(result.duration_s for result in results),
        elapsed_s=max(result.elapsed_s + result.started_at - started_at for result in results),
        errors=errors,
        client_cpu_s=sum(result.client_cpu_s for result in results),
        error_example=next((result.error_example for result in results if result.error_example), ""),
        stopped=any(result.stopped for result in results),
        started_at=started_at,
        endings=sum(result.endings for result in results),
        responses=sum(result.responses for result in results),
        send_s=sum(result.send_s for result in results),
        receive_s=sum(result.receive_s for result in results),
        processes=len(results),
        real_time=all(result.real_time for result in results),
        **arrays,
    )
