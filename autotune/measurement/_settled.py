"""Triton's counters before and after a window, so that no window's requests fall into the next one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from autotune.load import LoadResult
from autotune.measurement._options import DEFAULTS, MeasureOptions
from autotune.measurement._serving import Serving, Step, StepWindow
from autotune.server import ModelStatistics, RunningServer

_POLL_S = 0.002


@dataclass(frozen=True)
class Counters:
    """Triton's cumulative statistics at one moment.

    Attributes:
        model: Of the model that requests are sent to; of several models, of all together.
        steps: Of the models that it is composed of or calls, by name.
        streams: Of each of several models that share the load, by name.
    """

    model: ModelStatistics
    steps: dict[str, ModelStatistics]
    streams: dict[str, ModelStatistics] = field(default_factory=dict)

    @classmethod
    def now(cls, server: RunningServer, serving: Serving) -> Counters:
        """The counters now."""
        if serving.streams:
            streams = {each.model: server.statistics(each.model) for each in serving.streams}
            return cls(sum(streams.values(), ModelStatistics()), {}, streams)
        return cls(server.statistics(), {step.model: server.statistics(step.model) for step in serving.parts})

    @property
    def ended(self) -> int:
        """Requests that ended, whether well or not."""
        return self.model.success_count + self.model.fail_count

    def since(self, earlier: Counters, steps: Sequence[Step]) -> tuple[StepWindow, ...]:
        """The statistics of each step, or of each model that is called, since then."""
        return tuple(StepWindow(step, self.steps[step.model] - earlier.steps[step.model]) for step in steps)


def settled(
    server: RunningServer,
    serving: Serving,
    before: Counters,
    result: LoadResult,
    options: MeasureOptions = DEFAULTS,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Counters:
    """The counters once the window's requests have ended on the server too.

    Triton counts a request a moment after the client has its answer. Requests that the client gave up are still
    executed: all of them over HTTP, those that wait for an instance over gRPC. So this waits until as many requests
    have ended as were sent, or until the counters have stood still for longer than executions take. Other failures
    need not be waited for: the server has answered them, and a refusal by a full queue is counted nowhere.

    Waits ``options.settle_s`` at most after requests were given up, else ``options.counted_s``.
    """
    given_up = result.errors.get("timeout", 0)
    # Failures that the server answered may or may not be counted: then only a standstill shows that all have ended.
    others = result.failed - given_up - result.errors.get("unsent", 0)
    sent = before.ended + result.completed + result.endings + given_up if not (others and given_up) else None
    now = Counters.now(server, serving)
    started = changed = clock()
    most_s = options.settle_s if given_up else options.counted_s
    while not (sent is not None and now.ended >= sent) and clock() - started < most_s:
        if clock() - changed > _quiet_s(before, now, options) + serving.polls * options.poll_s:
            break
        sleep(_POLL_S)
        latest = Counters.now(server, serving)
        if latest != now:
            now, changed = latest, clock()
    return now


def _quiet_s(before: Counters, now: Counters, options: MeasureOptions) -> float:
    """How long the counters must stand still: longer than executions of any model took on average."""
    models = [(before.model, now.model), *((before.steps[name], latest) for name, latest in now.steps.items())]
    return max(options.counted_s, options.standstill * max(_execution_s(*each) for each in models))


def _execution_s(before: ModelStatistics, now: ModelStatistics) -> float:
    """Mean seconds of an execution in the window, or of all so far if it had none; 0 without any."""
    window = now - before
    seen = window if window.batch_executions else now
    executions = sum(seen.batch_executions.values())
    return seen.busy_s / executions if executions else 0.0
