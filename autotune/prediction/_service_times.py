"""How long executions take, learnt from Triton's own statistics of the windows that trials ran.

An execution of b items takes ``host(b)`` on its instance alone, and ``device(b)`` on what all instances share (a GPU,
the cores, a lock). Both follow from operational laws (Denning and Buzen, The Operational Analysis of Queueing Network
Models, ACM Computing Surveys 10, 1978):

- One instance alone takes ``S(b) = host(b) + device(b)``: the mean compute time of executions of that size.
- With n instances always busy, executions leave every ``max(device, S / n)`` seconds. If they took longer than alone,
  they waited for the shared part, and the time between departures is ``device``; otherwise it is an upper bound.
- If they leave less often than those of one instance alone, everything is shared and instances slow each other down:
  each of the others makes ``device`` longer by the same fraction.

The part of ``host`` that grows with the batch gathers inputs before ``device`` and hands out outputs after it, in the
proportion that Triton reports for the two.

The CPU time of server and client in a window is so much for each request, for each execution, and for each second
(threads that spin): the non-negative demands that fit all windows best.
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
from autotune.prediction._curve import Floats, between
from autotune.prediction._options import DEFAULTS, PredictionOptions
from autotune.simulator import ServiceTimes

_LEARNT_FROM = ("screen", "sizes", "profile", "saturate", "race", "locate", "certify")


@dataclass(frozen=True)
class Window:
    """One window of load on a server with so many instances.

    Attributes:
        instances: Instances of the model.
        probe: What it counted.
        delay_s: The queue delay of its config.
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
        """Whether any request was answered."""
        return any(math.isfinite(edge) for edge, _ in self.probe.histogram)

    @property
    def occupied(self) -> float:
        """The part of the instances' time that executions took; more than 1 if they went on after the window."""
        return self.probe.server.busy_s / (self.instances * self.probe.duration_s)


def service_times(
    windows: Iterable[Window],
    largest_batch: int,
    options: PredictionOptions = DEFAULTS,
    overhead_s: NDArray[np.float64] | None = None,
) -> ServiceTimes | None:
    """The service times that fit the windows best; None without an execution or a window of one request at a time.

    Args:
        windows: Of every trial of one model on one machine.
        largest_batch: The largest size that is wanted; beyond the sizes seen they are extrapolated in a straight line.
        options: Thresholds, and what Triton does not report.
        overhead_s: Latency outside queue and execution; None to learn it from windows of one request at a time, without
            which nothing is learnt then.
    """
    known = [each for each in windows if each.probe.purpose in _LEARNT_FROM and each.probe.server.batch_compute_ns]
    one_item = [each for each in known if each.probe.purpose != "sizes"]  # in a request
    screens = [each for each in one_item if each.probe.concurrency == 1 and each.answered]
    if not known or (overhead_s is None and not screens):
        return None
    fewest = min(each.instances for each in known)
    alone = [each for each in known if each.instances == fewest]
    largest_seen = max(max(each.probe.server.batch_executions) for each in known)
    alone_s = _by_size(alone, max(largest_batch, largest_seen), options)
    gap_s = _gap_s([each for each in alone if each.occupied >= options.busy]) if fewest == 1 else 0.0
    busy = [each for each in known if each.instances > 1 and each.occupied >= options.busy]
    device_s = _device_s(busy, alone_s, options.waited)
    request_cpu_s, execution_cpu_s = _cpu_s(one_item, options.cpu_windows)
    found = ServiceTimes(
        host_s=alone_s - device_s + gap_s,
        device_s=device_s,
        overhead_s=_overhead_of(screens, options) if overhead_s is None else overhead_s,
        spread=np.ones(1),
        request_cpu_s=request_cpu_s,
        execution_cpu_s=execution_cpu_s,
        contention=_contention(busy, alone_s) if fewest == 1 else 0.0,
        handed_out=_outputs_part(known, options.outputs_part),
    )
    return found.varying(options.varies_by).up_to(largest_batch)


def _by_size(windows: Sequence[Window], largest_batch: int, options: PredictionOptions) -> NDArray[np.float64]:
    """Mean seconds of an execution of 1 to ``largest_batch`` items: never falling, see `between` for sizes not seen.

    Windows of sizes show the shape of the curve: there a batch is one request. Under load a batch is as many requests
    as items, and each further request takes time to gather and to answer, which is added. Sizes that formed often
    under load count more than the shape, rare ones less.
    """
    count, total_s = _totals([each for each in windows if each.probe.purpose != "sizes"], largest_batch)
    asked, asked_s = _totals([each for each in windows if each.probe.purpose == "sizes"], largest_batch)
    if asked.any():
        shape_s = between(*_never_falling(asked, asked_s))
        further = np.arange(len(shape_s))  # requests in a batch, but one
        within = slice(1, 1 + len(shape_s))
        shape_s = shape_s + further * _request_s(count[within], total_s[within], shape_s)
        count[within] += options.shape_executions
        total_s[within] += options.shape_executions * shape_s
    sizes, fitted = _never_falling(count, total_s)
    seen = ServiceTimes(
        host_s=between(sizes, fitted),
        device_s=np.zeros(sizes[-1]),
        overhead_s=np.zeros(1),
        spread=np.ones(1),
    )
    return np.asarray(seen.up_to(largest_batch).host_s)


def _never_falling(count: Floats, total_s: Floats) -> tuple[NDArray[np.int64], Floats]:
    """The sizes that were executed, ascending, and their mean seconds."""
    sizes = np.flatnonzero(count)
    return sizes, isotonic_regression(total_s[sizes] / count[sizes], weights=count[sizes]).x


def _totals(windows: Iterable[Window], largest_batch: int) -> tuple[Floats, Floats]:
    """Executions and their seconds by size, each of shape (``largest_batch`` + 1,)."""
    count, total_s = np.zeros(largest_batch + 1), np.zeros(largest_batch + 1)
    for window in windows:
        server = window.probe.server
        for size, executions in server.batch_executions.items():
            if 1 <= size <= largest_batch and size in server.batch_compute_ns:
                count[size] += executions
                total_s[size] += server.batch_compute_ns[size] / 1e9
    return count, total_s


def _request_s(count: Floats, total_s: Floats, shape_s: Floats) -> float:
    """Seconds that each further request of a batch takes: the least squares fit to batches that formed.

    Args:
        count: Executions of 1, 2, ... items under load, shape (n,).
        total_s: Their seconds, shape (n,).
        shape_s: Mean seconds of an execution of one request of so many items, shape (n,).
    """
    further = np.arange(len(shape_s))
    longer_s = total_s - count * shape_s
    squares = float(np.sum(count * further**2))
    return max(0.0, float(np.sum(further * longer_s)) / squares) if squares else 0.0


def seen_sizes(windows: Iterable[Window]) -> NDArray[np.int64]:
    """The batch sizes whose time was seen, ascending; 1 if none was."""
    known = (each.probe.server for each in windows if each.probe.purpose in _LEARNT_FROM)
    return np.array(sorted({size for server in known for size in server.batch_compute_ns if size > 0} or {1}))


def _gap_s(windows: Sequence[Window]) -> float:
    """Seconds between the executions of an instance that is always busy, which its compute time leaves out."""
    gaps = [
        (1 - window.occupied) * window.probe.duration_s / window.executions for window in windows if _saturated(window)
    ]
    return max(0.0, float(np.median(gaps))) if gaps else 0.0


def _saturated(window: Window) -> bool:
    """Whether requests were always waiting."""
    schedule = window.probe.schedule
    waiting = 2 * window.instances * window.probe.server.mean_batch_size / window.probe.batch_size
    return isinstance(schedule, ClosedLoop) and schedule.concurrency >= 0.8 * waiting


def _device_s(windows: Sequence[Window], alone_s: NDArray[np.float64], waited: float) -> NDArray[np.float64]:
    """Seconds that an execution of each size spends on what all instances share, shape as ``alone_s``.

    It is 0 unless busy instances waited for each other in some window. Between these windows what an execution does
    alone is interpolated: where the time jumps, it is that of the device. Batches smaller than those that waited are
    extrapolated along the straight line through the larger ones, at least in proportion to their items.
    """
    waiting = sorted(_waiting(windows, alone_s, waited))
    sizes = np.arange(1, len(alone_s) + 1)
    if not waiting:
        return np.zeros(len(sizes))
    at, fraction, weight = (np.array(column) for column in zip(*waiting, strict=True))
    merged, values = _merged(np.log(at), fraction, weight)
    device_s = np.interp(np.log(sizes), merged, values) * alone_s
    host_s = (1 - values) * np.interp(np.exp(merged), sizes, alone_s)
    within = (np.log(sizes) >= merged[0]) & (np.log(sizes) <= merged[-1])
    device_s = np.where(within, np.maximum(0.0, alone_s - np.interp(np.log(sizes), merged, host_s)), device_s)
    smallest = float(np.exp(merged[0]))
    if len(merged) > 1:
        smallest_s = float(values[0] * np.interp(smallest, sizes, alone_s))
        slope_s = np.polyfit(at, fraction * np.interp(at, sizes, alone_s), 1, w=np.sqrt(weight))[0]
        slope_s = min(max(slope_s, 0.0), smallest_s / smallest)
        device_s = np.where(sizes < smallest, smallest_s - slope_s * (smallest - sizes), device_s)
    for size, apart_s in _apart(windows):
        device_s[:size] = np.minimum(device_s[:size], apart_s)
    return np.asarray(np.minimum(device_s, alone_s))


def _waiting(windows: Sequence[Window], alone_s: NDArray[np.float64], waited: float) -> list[tuple[float, float, int]]:
    """Mean batch size, shared part of an execution and number of executions, by window whose instances waited."""
    found = []
    for window in windows:
        server = window.probe.server
        if server.busy_s / _expected_s(window, alone_s) > waited:
            fraction = min(1.0, _apart_by_expected(window, alone_s))
            found.append((server.mean_batch_size, fraction, window.executions))
    return found


def _contention(windows: Sequence[Window], alone_s: NDArray[np.float64]) -> float:
    """By what fraction each further busy instance slows down the others: the median over the windows."""
    found = [(_apart_by_expected(window, alone_s) - 1) / (window.instances - 1) for window in windows]
    return max(0.0, float(np.median(found))) if found else 0.0


def _apart_by_expected(window: Window, alone_s: NDArray[np.float64]) -> float:
    """Seconds from one departure to the next, as a multiple of those of one instance alone."""
    return _apart_s(window) * window.executions / _expected_s(window, alone_s)


def _expected_s(window: Window, alone_s: NDArray[np.float64]) -> float:
    """Seconds that its executions would take alone, together."""
    executions = window.probe.server.batch_executions.items()
    return float(sum(count * alone_s[size - 1] for size, count in executions))


def _apart(windows: Sequence[Window]) -> list[tuple[int, float]]:
    """Batch size and seconds between departures, by window: an upper bound of the shared part up to that size."""
    return [(int(window.probe.server.mean_batch_size), _apart_s(window)) for window in windows]


def _apart_s(window: Window) -> float:
    """Seconds from one departure to the next.

    Departures go on until the last answer, which the instances' busy time shows. The first executions waited for none,
    one, two, ... others: half a departure is missing for each instance but one.
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


def _outputs_part(windows: Sequence[Window], unknown: float) -> float:
    """The part of the time for inputs and outputs that outputs took."""
    inputs_ns = sum(window.probe.server.compute_input_ns for window in windows)
    outputs_ns = sum(window.probe.server.compute_output_ns for window in windows)
    return outputs_ns / (inputs_ns + outputs_ns) if inputs_ns + outputs_ns else unknown


def _cpu_s(windows: Sequence[Window], at_least: int) -> tuple[float, float]:
    """CPU seconds of a request and of an execution over the number of cores; 0 if too few windows show them."""
    demands, used_s = [], []
    for window in windows:
        probe, usage = window.probe, window.probe.usage
        if usage is None or usage.server_cpu_s is None or not usage.cores:
            continue
        client_s = usage.client_cpu * usage.client_processes * probe.duration_s
        demands.append((probe.requests, window.executions, probe.duration_s))
        used_s.append((usage.server_cpu_s + client_s) / usage.cores)
    if len(demands) < at_least:
        return 0.0, 0.0
    (request_s, execution_s, _), _ = nnls(np.array(demands, float), np.array(used_s))
    return float(request_s), float(execution_s)


def _calmest(screens: Sequence[Window]) -> list[Window]:
    """The undisturbed windows of the fewest instances: threads of further ones may disturb even a lone request."""
    undisturbed = [each for each in screens if each.probe.verdict != "invalid"] or screens
    fewest = min(each.instances for each in undisturbed)
    return [each for each in undisturbed if each.instances == fewest]


def _overhead_of(screens: Sequence[Window], options: PredictionOptions) -> NDArray[np.float64]:
    return overhead_samples([(each.probe, _alone_s(each)) for each in _calmest(screens)], options)


def overhead_samples(screens: Sequence[tuple[Probe, float]], options: PredictionOptions) -> NDArray[np.float64]:
    """Samples of the latency outside queue and execution, shape (``options.overhead_samples``,).

    Args:
        screens: Windows of one request at a time, each with the mean seconds of a request in queue and execution.
        options: How many samples.
    """
    latency_s = np.concatenate([[edge - inside_s for edge, _ in probe.histogram] for probe, inside_s in screens])
    count = np.concatenate([[times for _, times in probe.histogram] for probe, _ in screens])
    kept = np.isfinite(latency_s)
    order = np.argsort(latency_s[kept])
    values, cumulated = latency_s[kept][order], np.cumsum(count[kept][order])
    levels = (np.arange(options.overhead_samples) + 0.5) / options.overhead_samples * cumulated[-1]
    return np.asarray(np.maximum(0.0, values[np.searchsorted(cumulated, levels)]))


def _alone_s(window: Window) -> float:
    """Mean seconds that one request at a time spent in its execution and in the queue."""
    server = window.probe.server
    waited_s = server.queue_ns / 1e9 / max(1, server.success_count)
    return float(server.busy_s / window.executions) + min(window.delay_s, waited_s)


def differ(before: ServiceTimes, now: ServiceTimes, options: PredictionOptions = DEFAULTS) -> bool:
    """Whether executions take so different times that configs must be simulated again."""
    cpu_s = before.request_cpu_s + before.execution_cpu_s, now.request_cpu_s + now.execution_cpu_s
    if abs(cpu_s[1] - cpu_s[0]) > options.cpu_changed * max(cpu_s):
        return True
    if abs(now.contention - before.contention) > options.changed:
        return True
    sizes = np.unique(np.geomspace(1, len(now.host_s), 12).astype(int)) - 1
    parts = ((before.host_s, now.host_s), (before.device_s, now.device_s), (before.after_s, now.after_s))
    moved_s = sum(np.abs(after - earlier) for earlier, after in parts)
    return bool((moved_s > options.changed * (before.host_s + before.device_s))[sizes].any())
