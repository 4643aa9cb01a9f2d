"""How long executions take, learnt from Triton's own statistics of the windows that trials ran.

An execution of b items is thought to take ``host(b)`` on its instance's own and then ``device(b)`` on what all
instances share (a GPU, the cores, a lock). Both follow from operational laws (Denning and Buzen, The Operational
Analysis of Queueing Network Models, ACM Computing Surveys 10, 1978):

- One instance alone takes ``S(b) = host(b) + device(b)``: the mean compute time of executions of that size.
- With n instances always at work, executions leave every ``max(device, S / n)`` seconds. Where they took longer than
  alone, they waited for the shared part, and the time between departures is ``device``; elsewhere it is no less.
- Where they leave less often than those of one instance alone, all is shared, and instances get into each other's way:
  each of the others makes ``device`` longer by the same fraction.

What larger batches take of ``host`` more than one item does is thought to be gathering inputs before ``device`` and
handing out outputs after it, in the proportion of what Triton says that models spent on the two.

What server and client take of the cores in a window is thought to be so much for each request, so much for each
execution, and so much for each second however little there is to do (threads that spin): the demands that fit all
windows best, none of them below zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression, nnls

from autotune.load import ClosedLoop
from autotune.measurement import Probe
from autotune.simulator import ServiceTimes

_LEARNT_FROM = ("screen", "profile", "saturate", "race", "locate", "certify")
_BUSY = 0.85
_WAITED = 1.12
_OVERHEAD_SAMPLES = 200
_ENOUGH_FOR_CPU = 6
# Triton counts executions and what they took together, not by how much each one differed from the next. Simulated as
# all alike, instances that share a device would take turns at it for ever without waiting, and the requests of a closed
# loop would come just in time for full batches, which no server does. A twentieth comes closest to servers' latencies
# (`benchmarks/simulator_accuracy.py --varies-by`); rates near saturation hardly tell (`benchmarks/replay simulate`).
_VARIES_BY = 0.05
_HANDED_OUT = 0.5  # where Triton's statistics do not tell


@dataclass(frozen=True)
class Window:
    """One window of load on a server with so many instances.

    Attributes:
        instances: Instances of the model.
        probe: What it counted.
        delay_s: How long its config lets a request wait for company.
    """

    instances: int
    probe: Probe
    delay_s: float = 0.0

    @property
    def executions(self) -> int:
        """Executions in the window."""
        return sum(self.probe.server.batch_executions.values())

    @property
    def answered(self) -> bool:
        """Whether it tells how long any request took."""
        return any(math.isfinite(edge) for edge, _ in self.probe.histogram)

    @property
    def occupied(self) -> float:
        """The fraction of the instances' time that they spent on executions; draining counts beyond the window."""
        return self.probe.server.busy_s / (self.instances * self.probe.duration_s)


def service_times(windows: Iterable[Window], largest_batch: int) -> ServiceTimes | None:
    """The service times that fit the windows best; None where they hold no execution or no window of one request.

    Args:
        windows: Of every trial of one model on one machine.
        largest_batch: Up to which size they are wanted; beyond what was seen they go on in a straight line.
    """
    known = [each for each in windows if each.probe.purpose in _LEARNT_FROM and each.probe.server.batch_compute_ns]
    screens = [each for each in known if each.probe.concurrency == 1 and each.answered]
    if not screens:
        return None
    fewest = min(each.instances for each in known)
    alone = [each for each in known if each.instances == fewest]
    largest_seen = max(max(each.probe.server.batch_executions) for each in known)
    alone_s = _by_size(alone, max(largest_batch, largest_seen))
    gap_s = _gap_s(alone) if fewest == 1 else 0.0
    several = [each for each in known if each.instances > 1]
    device_s = _device_s(several, alone_s)
    request_cpu_s, execution_cpu_s = _cpu_s(known)
    found = ServiceTimes(
        host_s=alone_s - device_s + gap_s,
        device_s=device_s,
        overhead_s=_overhead_s(_calmest(screens)),
        spread=np.ones(1),
        request_cpu_s=request_cpu_s,
        execution_cpu_s=execution_cpu_s,
        contention=_contention(several, alone_s) if fewest == 1 else 0.0,
        handed_out=_handed_out(known),
    )
    return found.varying(_VARIES_BY).up_to(largest_batch)


def _by_size(windows: Sequence[Window], largest_batch: int) -> NDArray[np.float64]:
    """Mean seconds of an execution of 1 to ``largest_batch`` items: never falling, straight between sizes seen."""
    count = np.zeros(largest_batch + 1)
    total_s = np.zeros(largest_batch + 1)
    for window in windows:
        server = window.probe.server
        for size, executions in server.batch_executions.items():
            if 1 <= size <= largest_batch and size in server.batch_compute_ns:
                count[size] += executions
                total_s[size] += server.batch_compute_ns[size] / 1e9
    sizes = np.flatnonzero(count)
    fitted = isotonic_regression(total_s[sizes] / count[sizes], weights=count[sizes]).x
    seen = ServiceTimes(
        host_s=np.interp(np.arange(1, sizes[-1] + 1), sizes, fitted),
        device_s=np.zeros(sizes[-1]),
        overhead_s=np.zeros(1),
        spread=np.ones(1),
    )
    return np.asarray(seen.up_to(largest_batch).host_s)


def _gap_s(windows: Sequence[Window]) -> float:
    """Seconds between the executions of an instance that always has work: what its own clock does not count."""
    gaps = [
        (1 - window.occupied) * window.probe.duration_s / window.executions
        for window in windows
        if _saturated(window) and window.occupied >= _BUSY
    ]
    return max(0.0, float(np.median(gaps))) if gaps else 0.0


def _saturated(window: Window) -> bool:
    """Whether there was always more to do than the instances could take."""
    schedule = window.probe.schedule
    waiting = 2 * window.instances * window.probe.server.mean_batch_size / window.probe.batch_size
    return isinstance(schedule, ClosedLoop) and schedule.concurrency >= 0.8 * waiting


def _device_s(windows: Sequence[Window], alone_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Seconds that an execution of each size spends on what all instances share, shape as ``alone_s``.

    Without a window of several instances in which they waited for it there is nothing that they are known to share.
    Smaller batches than those that waited seldom meet, so that no window shows what they take: they go on along the
    straight line through the larger ones, downwards, but to no less than their items' part.
    """
    waiting = sorted(_waiting(windows, alone_s))
    sizes = np.arange(1, len(alone_s) + 1)
    if not waiting:
        return np.zeros(len(sizes))
    at, fraction, weight = (np.array(column) for column in zip(*waiting, strict=True))
    merged, values = _merged(np.log(at), fraction, weight)
    device_s = np.interp(np.log(sizes), merged, values) * alone_s
    smallest = float(np.exp(merged[0]))
    if len(merged) > 1:
        smallest_s = float(values[0] * np.interp(smallest, sizes, alone_s))
        slope_s = np.polyfit(at, fraction * np.interp(at, sizes, alone_s), 1, w=np.sqrt(weight))[0]
        slope_s = min(max(slope_s, 0.0), smallest_s / smallest)
        device_s = np.where(sizes < smallest, smallest_s - slope_s * (smallest - sizes), device_s)
    for size, apart_s in _apart(windows):
        device_s[:size] = np.minimum(device_s[:size], apart_s)
    return np.asarray(np.minimum(device_s, alone_s))


def _waiting(windows: Sequence[Window], alone_s: NDArray[np.float64]) -> list[tuple[float, float, int]]:
    """Of each window in which busy instances waited for each other: mean batch size, which part of an execution is
    spent on what they share, and executions.
    """
    found = []
    for window in windows:
        server = window.probe.server
        if window.occupied >= _BUSY and server.busy_s / _expected_s(window, alone_s) > _WAITED:
            fraction = min(1.0, _apart_by_expected(window, alone_s))
            found.append((server.mean_batch_size, fraction, window.executions))
    return found


def _contention(windows: Sequence[Window], alone_s: NDArray[np.float64]) -> float:
    """By what fraction each further instance at work slows down what all carry: the median over the windows."""
    found = [
        (_apart_by_expected(window, alone_s) - 1) / (window.instances - 1)
        for window in windows
        if window.occupied >= _BUSY
    ]
    return max(0.0, float(np.median(found))) if found else 0.0


def _apart_by_expected(window: Window, alone_s: NDArray[np.float64]) -> float:
    """Seconds from one departure to the next, as a multiple of those of one instance alone."""
    return _apart_s(window) * window.executions / _expected_s(window, alone_s)


def _expected_s(window: Window, alone_s: NDArray[np.float64]) -> float:
    """Seconds that its executions would take alone, together."""
    executions = window.probe.server.batch_executions.items()
    return float(sum(count * alone_s[size - 1] for size, count in executions))


def _apart(windows: Sequence[Window]) -> list[tuple[int, float]]:
    """Batch size and seconds between two departures of each window: no execution of that size takes more of what
    instances share, nor does a smaller one.
    """
    return [
        (int(window.probe.server.mean_batch_size), _apart_s(window)) for window in windows if window.occupied >= _BUSY
    ]


def _apart_s(window: Window) -> float:
    """Seconds from one departure to the next. They happen until the last answer; what the instances were busy for tells
    how long that was. The instances' first executions waited for none, one, two, ... others and not for all: of their
    times half a departure is missing for each instance but one.
    """
    departures = max(1.0, window.executions - (window.instances - 1) / 2)
    return window.probe.duration_s * max(1.0, window.occupied) / departures


def _merged(
    x: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weighted means of points whose sizes lie within a fifth of each other."""
    groups = np.concatenate([[0], np.cumsum(np.diff(x) > 0.2)])
    total = np.bincount(groups, weight)
    return np.bincount(groups, weight * x) / total, np.bincount(groups, weight * y) / total


def _handed_out(windows: Sequence[Window]) -> float:
    """Which part of what models spent on inputs and outputs they spent on outputs."""
    inputs_ns = sum(window.probe.server.compute_input_ns for window in windows)
    outputs_ns = sum(window.probe.server.compute_output_ns for window in windows)
    return outputs_ns / (inputs_ns + outputs_ns) if inputs_ns + outputs_ns else _HANDED_OUT


def _cpu_s(windows: Sequence[Window]) -> tuple[float, float]:
    """CPU seconds of a request and of an execution by the number of cores; 0 where they cannot be seen or told."""
    demands, used_s = [], []
    for window in windows:
        probe, usage = window.probe, window.probe.usage
        if usage is None or usage.server_cpu_s is None or not usage.cores:
            continue
        client_s = usage.client_cpu * usage.client_processes * probe.duration_s
        demands.append((probe.requests, window.executions, probe.duration_s))
        used_s.append((usage.server_cpu_s + client_s) / usage.cores)
    if len(demands) < _ENOUGH_FOR_CPU:
        return 0.0, 0.0
    (request_s, execution_s, _), _ = nnls(np.array(demands, float), np.array(used_s))
    return float(request_s), float(execution_s)


def _calmest(screens: Sequence[Window]) -> list[Window]:
    """Those of the fewest instances, as far as nothing disturbed them: threads of further instances may keep each
    other waiting even where there is one request at a time, which other configs have no part in.
    """
    undisturbed = [each for each in screens if each.probe.verdict != "invalid"] or screens
    fewest = min(each.instances for each in undisturbed)
    return [each for each in undisturbed if each.instances == fewest]


def _overhead_s(screens: Sequence[Window]) -> NDArray[np.float64]:
    """Latency outside queue and execution: of one request at a time, less what its execution and the client took, and
    its delay.
    """
    latency_s = np.concatenate([[edge - _alone_s(each) for edge, _ in each.probe.histogram] for each in screens])
    count = np.concatenate([[times for _, times in each.probe.histogram] for each in screens])
    kept = np.isfinite(latency_s)
    order = np.argsort(latency_s[kept])
    values, cumulated = latency_s[kept][order], np.cumsum(count[kept][order])
    levels = (np.arange(_OVERHEAD_SAMPLES) + 0.5) / _OVERHEAD_SAMPLES * cumulated[-1]
    return np.asarray(np.maximum(0.0, values[np.searchsorted(cumulated, levels)]))


def _alone_s(window: Window) -> float:
    """Mean seconds that one request at a time spent in its execution and in the queue."""
    server = window.probe.server
    waited_s = server.queue_ns / 1e9 / max(1, server.success_count)
    return float(server.busy_s / window.executions) + min(window.delay_s, waited_s)
