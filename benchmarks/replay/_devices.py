"""Simulated devices that prediction was not tuned on, as grids: their rates are simulated, their profiles computed.

What an execution takes is not a straight line of the batch size, and executions vary twice as much as prediction
assumes. The profiles are those of trials: windows of sizes on one instance, then powers of two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autotune.measurement import between_jumps, sizes_up_to
from autotune.objective import LoadName
from autotune.repository import ConfigSet, completed_config
from autotune.search._starts import starts
from autotune.simulator import Batching, ServiceTimes, highest_rates, highest_throughputs
from autotune.space import JointSpace, SearchSpace
from benchmarks.replay._grid import Grid, RecordedStart
from benchmarks.replay._subjects import Subject

SPACE = """
parameters:
  max_batch_size: {low: 1, high: 64, scale: log2}
  dynamic_batching: [true, false]
  max_queue_delay_microseconds: [0, 200, 1000, 5000]
  preferred_batch_size: [none, [8]]
  instance_count: [1, 2, 3, 4]
"""
REFINED = SPACE.replace("log2}", "log2, refine: 8}")
_SIZES = np.arange(1, 65)
_EACH = 10  # executions of each size in a window of sizes
_VARIES_BY, _OVERHEAD_S, _SEED, _TRIAL_S = 0.1, 0.0003, 12_345, 4.0


def devices() -> dict[str, Grid]:
    """The grids, by name."""
    knee = 2.0 + 0.05 * _SIZES + 0.35 * np.maximum(0, _SIZES - 16)
    step = 1.5 + 0.15 * 16 * np.ceil(_SIZES / 16)
    cliff = (3.0 + 0.1 * _SIZES) * np.where(_SIZES > 24, 2.0, 1.0)
    crowded = 1.0 + 0.2 * _SIZES
    return {
        "knee": _grid("knee", "20ms", _service(1.0, knee)),
        "step": _grid("step", "25ms", _service(2.0, step), REFINED),
        "cliff": _grid("cliff", "30ms", _service(4.0, cliff), REFINED),
        "crowded": _grid("crowded", "25ms", _service(0.0, crowded, contention=0.1)),
        "knee_closed": _grid("knee_closed", "20ms", _service(1.0, knee), load="closed"),
    }


def _service(host_ms: float, device_ms: NDArray[np.float64], contention: float = 0.0) -> ServiceTimes:
    """How long executions of 1 to 64 items take on the host and on the device."""
    return ServiceTimes(
        np.full(len(_SIZES), host_ms / 1e3),
        device_ms / 1e3,
        np.array([_OVERHEAD_S]),
        np.ones(1),
        contention=contention,
    ).varying(_VARIES_BY)


def _grid(name: str, p99: str, service: ServiceTimes, space_text: str = SPACE, load: LoadName = "open") -> Grid:
    """What every config of the space sustains on the device."""
    subject = Subject(name, "accelerator", p99, load=load)
    spec = subject.spec()
    base = completed_config(spec)
    space, _ = SearchSpace.parse(space_text, name).restricted_to(spec)
    candidates = list(space.candidates())
    batchings = [_batching(Batching.of(space.apply(candidate, base))) for candidate in candidates]
    distinct = list(dict.fromkeys(batchings))
    simulate: Callable[..., Sequence[Any]] = highest_throughputs if load == "closed" else highest_rates
    found = simulate(distinct, service, subject.objective.ceilings, seed=_SEED)
    rate_of = {batching: each.rate_per_s for batching, each in zip(distinct, found, strict=True)}
    rates = [rate_of[batching] for batching in batchings]
    by_key = dict(zip((candidate.key for candidate in candidates), rates, strict=True))
    begun = {}
    joint = JointSpace({spec.name: space})
    for start in starts(ConfigSet.of(spec.config), ConfigSet.of(base), joint, simulates=True, ready=False):
        key = start.candidate.key if start.candidate else ""
        windows = _profile(_batching(Batching.of(start.configs.asked)), service)
        begun[key] = RecordedStart(start.label, key, by_key.get(key, 0.0), _TRIAL_S, windows)
    return Grid(
        subject=subject,
        space=space,
        space_text=space_text,
        probe_s=0.3,
        recorded_on="",
        environment="simulated",
        noise=None,
        unlocated_s=_TRIAL_S / 4,
        reference=[],
        starts=list(begun.values()),
        rates_per_s=rates,
        seconds=[_TRIAL_S] * len(rates),
    )


def _batching(found: Batching | None) -> Batching:
    assert found is not None
    return found


def _profile(batching: Batching, service: ServiceTimes) -> list[dict[str, Any]]:
    """The windows of a trial's profile: one request at a time, then instances that always have a full batch to do.

    Executions leave every ``device`` seconds, or every ``(host + device) / instances`` where that is longer
    (Denning and Buzen, The Operational Analysis of Queueing Network Models, 1978).
    """
    instances = batching.instances
    largest = batching.max_batch_size if batching.dynamic else 1
    alone_s = float(service.host_s[0] + service.device_s[0])
    latency = [[alone_s * factor + _OVERHEAD_S, 1] for factor in service.spread]
    windows = [_window("screen", 1, {1: round(1 / (alone_s + _OVERHEAD_S))}, {1: alone_s}, latency)]
    if instances == 1 and batching.max_batch_size > 1:
        all_s = {size: float(service.host_s[size - 1] + service.device_s[size - 1]) for size in _SIZES.tolist()}
        seen = sizes_up_to(batching.max_batch_size)
        around = between_jumps({size: all_s[size] for size in seen})
        windows += [_window("sizes", 1, dict.fromkeys(each, _EACH), all_s, []) for each in (seen, around) if each]
    for size in (size for size in (1, 2, 4, 8, 16, 32, 64) if size <= largest):
        device_s = float(service.device_s[size - 1]) * (1 + service.contention * (instances - 1))
        taken_s = float(service.host_s[size - 1]) + device_s
        apart_s = max(device_s, taken_s / instances)
        taken = {size: instances * apart_s}
        windows.append(_window("profile", 2 * instances * size, {size: round(1 / apart_s)}, taken, []))
    return windows


def _window(
    purpose: str,
    concurrency: int,
    executions: Mapping[int, int],
    taken_s: Mapping[int, float],
    histogram: list[list[float]],
) -> dict[str, Any]:
    """A second of load, as `benchmarks.replay._windows` keeps it."""
    return {
        "purpose": purpose,
        "concurrency": concurrency,
        "duration_s": 1.0,
        "executions": {str(size): count for size, count in executions.items()},
        "compute_us": {str(size): round(1e6 * count * taken_s[size]) for size, count in executions.items()},
        "usage": None,
        "histogram": histogram,
    }
