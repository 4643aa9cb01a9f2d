"""Simulated devices that prediction was not tuned on, as grids: their rates are simulated, their profiles computed.

What an execution takes is not a straight line of the batch size, and executions vary twice as much as prediction
assumes. The profiles are those of trials: windows of sizes on one instance, then powers of two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autotune.measurement import sizes_up_to, unclear_sizes
from autotune.objective import LoadName
from autotune.repository import ConfigSet
from autotune.search._starts import starts
from autotune.simulator import Batching, ServiceTimes, highest_rates, highest_throughputs
from autotune.simulator._rates import REQUESTS
from autotune.space import Candidate, JointSpace, SearchSpace
from autotune.space._parameter import Parameter
from benchmarks.replay._grid import Grid, RecordedStart
from benchmarks.replay._simulated import learnt
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
_SERVED_SLOWER = 2
_EACH, _EXECUTIONS = 10, 100  # of each size in a window of sizes, and in one of the profile
_ROUGH_REQUESTS, _FINALLY = 3_000, 60  # to find the best of all sizes; requests, and configs that are simulated again
_VARIES_BY, _OVERHEAD_S, _SEED, _TRIAL_S = 0.1, 0.0003, 12_345, 4.0


def devices() -> dict[str, Grid]:
    """The devices that the rules of prediction are ablated on, by name."""
    return {name: device(name) for name in TUNING}


def device(name: str) -> DeviceGrid:
    """One device of `TUNING` or `JUDGING`, a refined space searched in all but those of earlier ablations."""
    return (TUNING | JUDGING)[name](name)


def _knee(at: int, p99: str, text: str, load: LoadName = "open") -> Callable[[str], DeviceGrid]:
    """Beyond a size each item takes eight times as long."""
    times = 2.0 + 0.05 * _SIZES + 0.35 * np.maximum(0, _SIZES - at)
    return lambda name: _grid(name, p99, _service(1.0, times), text, load)


def _steps(of: int, p99: str) -> Callable[[str], DeviceGrid]:
    """Batches are padded to a multiple of the tile."""
    return lambda name: _grid(name, p99, _service(2.0, 1.5 + 0.15 * of * np.ceil(_SIZES / of)), REFINED)


def _cliff(at: int, p99: str) -> Callable[[str], DeviceGrid]:
    """Beyond a size all takes twice as long."""
    times = (3.0 + 0.1 * _SIZES) * np.where(at < _SIZES, 2.0, 1.0)
    return lambda name: _grid(name, p99, _service(4.0, times), REFINED)


def _root(host_ms: float, unit_ms: float, p99: str) -> Callable[[str], DeviceGrid]:
    """The time grows as the square root of the size."""
    return lambda name: _grid(name, p99, _service(host_ms, unit_ms * np.sqrt(_SIZES)), REFINED)


def _crowded(name: str) -> DeviceGrid:
    """Instances slow each other down."""
    return _grid(name, "25ms", _service(0.0, 1.0 + 0.2 * _SIZES, contention=0.1))


TUNING: dict[str, Callable[[str], DeviceGrid]] = {
    "knee": _knee(16, "20ms", SPACE),
    "step": _steps(16, "25ms"),
    "cliff": _cliff(24, "30ms"),
    "crowded": _crowded,
    "knee_closed": _knee(16, "20ms", SPACE, "closed"),
    "root": _root(1.0, 1.5, "25ms"),
    "knee_28": _knee(28, "25ms", REFINED),
}
"""Devices that rules and numbers of the search may be tuned on."""

JUDGING: dict[str, Callable[[str], DeviceGrid]] = {
    "knee_21": _knee(21, "22ms", REFINED),
    "knee_44": _knee(44, "30ms", REFINED),
    "steps_12": _steps(12, "25ms"),
    "steps_20": _steps(20, "30ms"),
    "cliff_37": _cliff(37, "35ms"),
    "cliff_11": _cliff(11, "30ms"),
    "root_slow": _root(3.0, 3.0, "60ms"),
    "knee_19_closed": _knee(19, "20ms", REFINED, "closed"),
}
"""Devices that only judge it: nothing is changed because of what it finds on them. Most positions are off the multiples
of 8 that the refined space lists."""


@dataclass(frozen=True)
class DeviceGrid(Grid):
    """A grid whose configs are simulated as they are tried, sizes that its space does not list included.

    Attributes:
        service: How long executions take.
    """

    service: ServiceTimes = field(default_factory=lambda: _service(0.0, np.ones(len(_SIZES))))
    rates: dict[Batching, float] = field(default_factory=dict)

    @property
    def served(self) -> Subject:
        """The model with the device's curve for a real server, at half its speed: else the cores are the limit."""
        slower = _SERVED_SLOWER
        device_ms = 1e3 * slower * self.service.device_s
        curve = ", ".join(f"{size}:{taken_ms:.4g}" for size, taken_ms in enumerate(device_ms, start=1))
        return replace(
            self.subject,
            name=f"{self.subject.name}_served",
            p99=f"{1e3 * slower * self.subject.objective.ceilings[0].limit_s:g}ms",
            timings_ms={"host_ms": float(1e3 * slower * self.service.host_s[0]), "device_curve_ms": curve},
            space="devices",
        )

    @cached_property
    def optimum_per_s(self) -> float:
        """The best rate of any config with any batch size."""
        return self.rate_of(self.best(1)[0])

    def best(self, count: int) -> list[Candidate]:
        """The candidates, of any batch size, that sustain most, the best first; none is served like another one."""
        (listed,) = self.space.spaces.values()
        every = Parameter.of("max_batch_size", _SIZES.tolist())
        parameters = tuple(every if each.name == every.name else each for each in listed.parameters)
        space = JointSpace({self.subject.spec.name: SearchSpace(parameters)})
        served = {self._batching_of(each): each for each in space.candidates()}
        roughly = dict(zip(served, _simulate(self.subject, list(served), self.service, _ROUGH_REQUESTS), strict=True))
        near = sorted(served, key=lambda each: -roughly[each])[:_FINALLY]
        rates = dict(zip(near, self._rates_of(near), strict=True))
        return [served[each] for each in sorted(near, key=lambda each: -rates[each])[:count]]

    def rate_of(self, candidate: Candidate | None) -> float:
        """See `Grid.rate_of`."""
        return super().rate_of(None) if candidate is None else self._rates_of([self._batching_of(candidate)])[0]

    def seconds_of(self, candidate: Candidate) -> float:
        """See `Grid.seconds_of`."""
        return _TRIAL_S

    def _batching_of(self, candidate: Candidate) -> Batching:
        return _batching(self.subject, self.configs_of(candidate))

    def _rates_of(self, batchings: Sequence[Batching]) -> list[float]:
        new = list(dict.fromkeys(each for each in batchings if each not in self.rates))
        if new:
            self.rates.update(zip(new, _simulate(self.subject, new, self.service), strict=True))
        return [self.rates[each] for each in batchings]


def _simulate(subject: Subject, batchings: Sequence[Batching], service: ServiceTimes, requests: int = REQUESTS) -> Any:
    """Inferences/s of each config."""
    simulate: Callable[..., Sequence[Any]] = highest_throughputs if subject.load == "closed" else highest_rates
    found = simulate(batchings, service, subject.objective.ceilings, requests=requests, seed=_SEED)
    return [each.rate_per_s for each in found]


def _service(host_ms: float, device_ms: NDArray[np.float64], contention: float = 0.0) -> ServiceTimes:
    """How long executions of 1 to 64 items take on the host and on the device."""
    return ServiceTimes(
        np.full(len(_SIZES), host_ms / 1e3),
        device_ms / 1e3,
        np.array([_OVERHEAD_S]),
        np.ones(1),
        contention=contention,
    ).varying(_VARIES_BY)


def _grid(name: str, p99: str, service: ServiceTimes, space_text: str = SPACE, load: LoadName = "open") -> DeviceGrid:
    """What every config of the space sustains on the device."""
    return _simulated(Subject(name, "accelerator", p99, load=load), service, space_text)


def fitted(grid: Grid) -> Grid:
    """The grid as a simulated server with the execution times that its starts show would have it."""
    subject = replace(grid.subject, name=f"{grid.subject.name}_fitted")
    found = _simulated(subject, learnt(grid, len(_SIZES)), grid.space_text)
    return Grid(**{each.name: getattr(found, each.name) for each in fields(Grid)})


def _simulated(subject: Subject, service: ServiceTimes, space_text: str) -> DeviceGrid:
    space = subject.space_of(space_text, subject.name)
    batchings = [_batching(subject, space.apply(each, subject.base)) for each in space.candidates()]
    begun = list(starts(subject.written, subject.base, space, simulates=True, ready=False, requests=subject.requests))
    begun_with = [_batching(subject, start.configs) for start in begun]
    distinct = list(dict.fromkeys([*batchings, *begun_with]))
    rate_of = dict(zip(distinct, _simulate(subject, distinct, service), strict=True))
    rates = [rate_of[batching] for batching in batchings]
    profiled = {}
    for start, batching in zip(begun, begun_with, strict=True):
        key, windows = start.candidate.key if start.candidate else "", _profile(batching, service)
        profiled[key] = RecordedStart(start.label, key, rate_of[batching], _TRIAL_S, windows)
    return DeviceGrid(
        subject=subject,
        space=space,
        space_text=space_text,
        probe_s=0.3,
        recorded_on="",
        environment="simulated",
        noise=None,
        unlocated_s=_TRIAL_S / 4,
        reference=[],
        starts=list(profiled.values()),
        rates_per_s=rates,
        seconds=[_TRIAL_S] * len(rates),
        service=service,
        rates=rate_of,
    )


def _batching(subject: Subject, configs: ConfigSet) -> Batching:
    found = Batching.of(configs.asked, subject.requests)
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
        seen: set[int] = set()
        asked = sizes_up_to(batching.max_batch_size)
        while asked:
            windows.append(_window("sizes", 1, dict.fromkeys(asked, _EACH), all_s, []))
            seen.update(asked)
            asked = unclear_sizes({size: all_s[size] for size in seen})
    for size in (size for size in (1, 2, 4, 8, 16, 32, 64) if size <= largest):
        device_s = float(service.device_s[size - 1]) * (1 + service.contention * (instances - 1))
        taken_s = float(service.host_s[size - 1]) + device_s
        apart_s = max(device_s, taken_s / instances)
        taken = {size: instances * apart_s}
        count = {size: _EXECUTIONS}
        windows.append(_window("profile", 2 * instances * size, count, taken, [], _EXECUTIONS * apart_s))
    return windows


def _window(
    purpose: str,
    concurrency: int,
    executions: Mapping[int, int],
    taken_s: Mapping[int, float],
    histogram: list[list[float]],
    duration_s: float = 1.0,
) -> dict[str, Any]:
    """A window of load, as `benchmarks.replay._windows` keeps it."""
    return {
        "purpose": purpose,
        "concurrency": concurrency,
        "duration_s": duration_s,
        "executions": {str(size): count for size, count in executions.items()},
        "compute_us": {str(size): round(1e6 * count * taken_s[size]) for size, count in executions.items()},
        "usage": None,
        "histogram": histogram,
    }
