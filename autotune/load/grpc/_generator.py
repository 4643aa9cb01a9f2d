"""The gRPC generator: unary calls on one asyncio loop, one request serialised in advance.

The synchronous client's futures would start a thread whenever a channel has no call outstanding (and the
threads then fight over the interpreter): 300 us of CPU a request, and a sender that cannot keep its slots full.
"""

from __future__ import annotations

import asyncio
import gc
import selectors
import time
from typing import TYPE_CHECKING, Any

import grpc

from autotune.load._outcomes import Outcomes
from autotune.load._schedule import arrival_times, check_schedule
from autotune.load._types import ClosedLoop, LoadResult, Schedule

if TYPE_CHECKING:
    from autotune.load._target import Target

_METHOD = "/inference.GRPCInferenceService/ModelInfer"
# One HTTP/2 connection each: a single one serialises all calls through one transport.
_CHANNELS = 4
_CHANNEL_OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),  # else channels to one address share one connection
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
)
# In closed loop, how long a slot rests after a failure: a dead server is not hammered.
_REST_S = 0.01
# gRPC ends the calls at their deadline itself; this long it may take to say so.
_GRACE_S = 0.2


class GrpcGenerator:
    """Offers load over gRPC from the calling thread; see `autotune.load.LoadGenerator`.

    That thread must not be running an asyncio loop.
    """

    protocol = "grpc"

    def __init__(self, target: Target) -> None:
        self._target = target
        # asyncio's usual selector counts milliseconds; select() wakes within microseconds, and there are few files.
        self._loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
        self._channels: list[Any] = []
        self._calls: list[Any] = []

    def run(self, schedule: Schedule, duration_s: float, timeout_s: float) -> LoadResult:
        """Offers ``schedule``; see `autotune.load.LoadGenerator.run`."""
        check_schedule(schedule, duration_s)
        outcomes = Outcomes() if isinstance(schedule, ClosedLoop) else Outcomes(arrival_times(schedule, duration_s))
        if not self._channels:
            self._loop.run_until_complete(self._open())
        collecting = gc.isenabled()
        gc.disable()
        cpu_s = time.process_time()
        run = _Run(self._target, self._calls, outcomes, duration_s, timeout_s)
        try:
            if isinstance(schedule, ClosedLoop):
                self._loop.run_until_complete(run.closed_loop(schedule.concurrency))
            else:
                self._loop.run_until_complete(run.open_loop())
        finally:
            if collecting:
                gc.enable()
        cpu_s = time.process_time() - cpu_s
        return outcomes.result(schedule, duration_s, run.elapsed_s, self._target.batch_size, cpu_s)

    def close(self) -> None:
        """Closes the channels; safe to call twice."""
        if self._loop.is_closed():
            return
        self._loop.run_until_complete(self._close())
        self._loop.close()

    async def _open(self) -> None:
        host = f"[{self._target.host}]" if ":" in self._target.host else self._target.host
        address = f"{host}:{self._target.port}"
        self._channels = [grpc.aio.insecure_channel(address, options=_CHANNEL_OPTIONS) for _ in range(_CHANNELS)]
        self._calls = [channel.unary_unary(_METHOD) for channel in self._channels]

    async def _close(self) -> None:
        await asyncio.gather(*(channel.close() for channel in self._channels))
        self._channels = []


class _Run:
    """One window of load. Times are seconds from its start.

    Attributes:
        elapsed_s: Until the last completion or the giving up.
    """

    def __init__(
        self, target: Target, calls: list[Any], outcomes: Outcomes, duration_s: float, timeout_s: float
    ) -> None:
        self.elapsed_s = 0.0
        self._request = target.request
        self._options = target.options
        self._calls = calls
        self._outcomes = outcomes
        self._duration_s = duration_s
        self._deadline_s = duration_s + timeout_s
        self._outstanding = 0
        self._freed = asyncio.Event()
        self._start = time.perf_counter()

    async def open_loop(self) -> None:
        """Starts every call at its scheduled time, or as soon after as the limit on calls allows."""
        due, lateness = self._outcomes.scheduled, self._outcomes.lateness
        limit, max_outstanding = self._options.max_connections, self._options.max_outstanding
        calls: set[asyncio.Task[bool]] = set()
        index = 0
        while index < len(due):
            now = self._now()
            if now >= self._deadline_s or (max_outstanding is not None and self._outstanding > max_outstanding):
                break
            if due[index] > now:
                await asyncio.sleep(due[index] - now)
            elif self._outstanding >= limit:
                self._freed.clear()
                await self._wait_for_a_free_call()
            else:
                lateness[index] = now - due[index]
                call = asyncio.create_task(self._call(index))
                calls.add(call)
                call.add_done_callback(calls.discard)
                index += 1
                await asyncio.sleep(0)  # a task starts when its creator pauses
        # Where sending was given up there is nothing to wait for either.
        await self._finish(calls, wait_s=self._remaining_s() if index == len(due) else 0.0)
        if index < len(due):
            self.elapsed_s = self._now()
            self._outcomes.give_up(index, self.elapsed_s)

    async def closed_loop(self, concurrency: int) -> None:
        """Keeps ``concurrency`` calls outstanding until the window ends, then waits for the last ones."""
        slots = {asyncio.create_task(self._slot()) for _ in range(concurrency)}
        await self._finish(slots, wait_s=self._remaining_s())

    async def _slot(self) -> bool:
        while (now := self._now()) < self._duration_s:
            if not await self._call(self._outcomes.add(now)):
                await asyncio.sleep(_REST_S)
        return True

    async def _call(self, index: int) -> bool:
        """Makes one call and records how it ended; whether it succeeded."""
        outcomes = self._outcomes
        self._outstanding += 1
        try:
            await self._calls[index % len(self._calls)](self._request, timeout=self._deadline_s - self._now())
        except grpc.aio.AioRpcError as error:
            code = error.code()
            if code is grpc.StatusCode.DEADLINE_EXCEEDED:
                outcomes.fail("timeout", f"unanswered {self._now():.3g} s after the start of the window")
            else:
                outcomes.fail(f"grpc {code.name}", " ".join((error.details() or "").split()))
            return False
        except asyncio.CancelledError:
            outcomes.fail("timeout", f"unanswered {self._now():.3g} s after the start of the window")
            return False
        else:
            outcomes.latency[index] = self._now() - outcomes.scheduled[index]
            return True
        finally:
            self.elapsed_s = self._now()
            self._outstanding -= 1
            self._freed.set()

    async def _finish(self, tasks: set[asyncio.Task[bool]], wait_s: float) -> None:
        """Waits up to ``wait_s`` for the tasks, then ends them."""
        running = set(tasks)
        if running and wait_s > 0:
            _, running = await asyncio.wait(running, timeout=wait_s + _GRACE_S)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=_GRACE_S)

    async def _wait_for_a_free_call(self) -> None:
        try:
            await asyncio.wait_for(self._freed.wait(), self._remaining_s())
        except asyncio.TimeoutError:
            return

    def _remaining_s(self) -> float:
        return max(0.0, self._deadline_s - self._now())

    def _now(self) -> float:
        return time.perf_counter() - self._start
