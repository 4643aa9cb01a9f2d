"""Where a request's time goes, from the client's schedule to its last byte."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from autotune.measurement._serving import StepWindow
from autotune.measurement._types import Probe
from autotune.server import ModelStatistics

_SIDE_BY_SIDE = 1.05  # calls' times, as a multiple of the execution's: the two are measured apart


@dataclass(frozen=True)
class StepTimes:
    """What one step of an ensemble, or a model that is called, did in a window.

    Attributes:
        model: Its model; empty for the own time of a model that calls others.
        total_s: Mean seconds that a request to the whole spent in it, in all its calls.
        queue_s: Of it, waiting for an instance.
        compute_s: Of it, in executions.
        mean_batch: Inferences per execution.
        instances: Its instances; 0 for the own time of a model that calls others.
        busy: The part of the window that they were busy.
        cached: The part of its requests that the response cache answered.
        decides: Whether it lies on the slowest way; steps beside that, and calls beside longer ones, take no time of
            their own.
    """

    model: str
    total_s: float
    queue_s: float
    compute_s: float
    mean_batch: float
    instances: int
    busy: float
    decides: bool
    cached: float = 0.0


@dataclass(frozen=True)
class Breakdown:
    """Mean seconds of an answered request, part by part; they add up to the mean latency.

    The server's parts of an ensemble are those of the steps on its slowest way.

    Attributes:
        client_send_s: From the scheduled time until the system has taken the request.
        network_s: On the way in both directions, in the server's protocol front end, and between an ensemble's steps;
            of decoupled models also from the end of the execution to a first response that comes later.
        queue_s: Waiting in the server's queue.
        compute_input_s, compute_infer_s, compute_output_s: In the model's execution, by the server's clock; of
            decoupled models up to the first response.
        client_receive_s: From the response's first byte to its last, of a stream from the first response to the last,
            and what the client of a closed loop takes then.
        steps: An ensemble's steps; empty for other models.
        called: The models that a model calls itself while it executes, then its own time; empty if it calls none.
        decoupled: Whether the model is decoupled.
    """

    client_send_s: float
    network_s: float
    queue_s: float
    compute_input_s: float
    compute_infer_s: float
    compute_output_s: float
    client_receive_s: float
    steps: tuple[StepTimes, ...] = ()
    called: tuple[StepTimes, ...] = ()
    decoupled: bool = False

    @property
    def parts(self) -> tuple[StepTimes, ...]:
        """The steps of an ensemble, or the models that are called; none of another model."""
        return self.steps or self.called

    @property
    def bottleneck(self) -> StepTimes | None:
        """The step, or the called model, that takes most of the time; None without any."""
        return max((step for step in self.parts if step.decides), key=lambda step: step.total_s, default=None)


def breakdown(probe: Probe) -> Breakdown | None:
    """The parts of a window's mean latency; None where nothing was answered.

    What neither side's clock accounts for is the network's. Where the server's clock accounts for more than the client
    saw, its parts are cut in proportion: it counts requests that the client gave up. An execution of a decoupled model
    goes on while responses are received, and for other requests of its batch: there the execution is cut.
    """
    client, server = probe.client, probe.server
    if client is None or not server.success_count:
        return None
    path = slowest_way(probe.steps)
    parts = _summed([_parts(each.server) for each in path]) if path else _parts(server)
    client_s = client.wait_s + client.send_s + client.receive_s
    server_s = max(0.0, client.total_s - client_s)
    queue_s, input_s, infer_s, output_s = _fitted(parts, server_s, decoupled=probe.decoupled)
    return Breakdown(
        client_send_s=client.wait_s + client.send_s,
        network_s=max(0.0, server_s - (queue_s + input_s + infer_s + output_s)),
        queue_s=queue_s,
        compute_input_s=input_s,
        compute_infer_s=infer_s,
        compute_output_s=output_s,
        client_receive_s=client.receive_s,
        steps=tuple(_times(each, probe.duration_s, each in path) for each in probe.steps),
        called=_calls(probe),
        decoupled=probe.decoupled,
    )


def own_time(probe: Probe) -> tuple[float, bool]:
    """Mean seconds for which a model that calls others is busy with a request besides its calls.

    Returns:
        The time, and whether it calls the models side by side: their times add up to more than its executions take.
    """
    server = probe.server
    requests = max(1, server.success_count)
    execution_s = server.busy_s / requests
    calls_s = [each.server.request_ns / 1e9 / requests for each in probe.called]
    side_by_side = sum(calls_s) > _SIDE_BY_SIDE * execution_s
    return max(0.0, execution_s - (max(calls_s) if side_by_side else sum(calls_s))), side_by_side


def _calls(probe: Probe) -> tuple[StepTimes, ...]:
    """The models that a model calls and did call, then its own time; none if it called none."""
    seen = [each for each in probe.called if each.server.success_count]
    if not seen:
        return ()
    own_s, side_by_side = own_time(probe)
    longest = max(seen, key=lambda each: each.server.request_ns)
    called = [_times(each, probe.duration_s, not side_by_side or each is longest) for each in seen]
    per_request = [each.server.success_count / max(1, probe.server.success_count) for each in seen]
    scaled = [
        replace(each, total_s=each.total_s * calls, queue_s=each.queue_s * calls, compute_s=each.compute_s * calls)
        for each, calls in zip(called, per_request, strict=True)
    ]
    return *scaled, StepTimes("", own_s, 0.0, own_s, probe.server.mean_batch_size, 0, 0.0, decides=True)


def slowest_way(steps: Sequence[StepWindow]) -> tuple[StepWindow, ...]:
    """The chain of steps, each waiting for the one before, whose mean times add up to most."""
    until_s: list[float] = []
    before: list[int | None] = []
    for each in steps:
        last = max(each.step.after, key=lambda place: until_s[place], default=None)
        before.append(last)
        until_s.append(each.mean_s + (until_s[last] if last is not None else 0.0))
    place = max(range(len(steps)), key=lambda place: until_s[place], default=None)
    way = []
    while place is not None:
        way.append(steps[place])
        place = before[place]
    return tuple(reversed(way))


_Parts = tuple[float, float, float, float]


def _parts(server: ModelStatistics) -> _Parts:
    """Mean seconds in the queue, and of the execution's input, inference and output."""
    count = max(1, server.success_count) * 1e9
    return (
        server.queue_ns / count,
        server.compute_input_ns / count,
        server.compute_infer_ns / count,
        server.compute_output_ns / count,
    )


def _summed(parts: Sequence[_Parts]) -> _Parts:
    queue, input_, infer, output = (sum(column) for column in zip(*parts, strict=True))
    return queue, input_, infer, output


def _fitted(parts: _Parts, most_s: float, *, decoupled: bool) -> _Parts:
    """The parts, cut to add up to ``most_s`` at most."""
    spent_s = sum(parts)
    if spent_s <= most_s:
        return parts
    if decoupled:
        queue_s, input_s, infer_s, output_s = parts
        parts = (queue_s, input_s, max(0.0, infer_s - (spent_s - most_s)), output_s)
        spent_s = sum(parts)
    cut = min(1.0, most_s / spent_s)
    return parts[0] * cut, parts[1] * cut, parts[2] * cut, parts[3] * cut


def _times(each: StepWindow, seconds: float, decides: bool) -> StepTimes:
    queue_s, *compute = _parts(each.server)
    return StepTimes(
        model=each.step.model,
        total_s=each.mean_s,
        queue_s=queue_s,
        compute_s=sum(compute),
        mean_batch=each.server.mean_batch_size,
        instances=each.step.instances,
        busy=each.busy(seconds),
        decides=decides,
        cached=each.server.cached_fraction,
    )
