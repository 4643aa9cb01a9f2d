"""Which part of their executions models spend on one device that they share, learnt from how they slow each other.

Triton reports how long executions of each batch size took. Those of one request at a time show what they take alone,
those under load how much longer they take beside the others. Looked for are the parts on a common device with which the
simulated windows show the same: the wait for a device depends on who else is there, which the simulation knows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from autotune.prediction._options import PredictionOptions
from autotune.simulator import Pipeline, ServiceTimes, Stage

Parts = tuple[tuple[float, float], ...]
"""Of each stage: the part of a lone item's time on the common device, and the part of what a batch takes beyond it."""


_NOTHING = (0.0, 0.0)
_KINDS = (*((part, 1.0) for part in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)), *((part, part) for part in (0.0, 0.3, 0.5, 0.7)))
"""Tried at first: a device that a batch needs, with some of it not for a lone item; or a part of all, as of cores."""


@dataclass(frozen=True)
class Beside:
    """One closed-loop window in which models were at work side by side.

    Attributes:
        stages: As they were served.
        concurrency: Outstanding requests.
        stretch: By how much longer executions of each stage took than alone; NaN where there was none.
        executions: How many each stage had.
    """

    stages: tuple[Stage, ...]
    concurrency: int
    stretch: tuple[float, ...]
    executions: tuple[int, ...]


def stretch(count: Mapping[int, int], busy_s: float, alone_s: NDArray[np.float64]) -> float:
    """Time that executions took, as a multiple of what they take alone; NaN without any.

    Args:
        count: Executions by batch size.
        busy_s: Seconds that they took in all.
        alone_s: Seconds that one of 1 to B items takes alone, shape (B,).
    """
    expected_s = sum(times * float(alone_s[min(size, len(alone_s)) - 1]) for size, times in count.items() if size > 0)
    return busy_s / expected_s if expected_s > 0 else math.nan


def shared_parts(pipeline: Pipeline, windows: Sequence[Beside], options: PredictionOptions) -> Parts | None:
    """The parts on a common device that explain the windows best.

    The parts of one model after the other are improved, from coarse ones to smaller and smaller steps (after Hooke and
    Jeeves, Direct search, JACM 8, 1961).

    Args:
        pipeline: Sends the requests; its size decides how long this takes.
        windows: Of the same models.
        options: How many parts are tried, where to stop, and how much better an explanation must be than that nothing
            is shared.

    Returns:
        None if that nothing is shared explains them about as well.
    """
    if not windows:
        return None
    stages = len(windows[0].stages)
    known: dict[Parts, float] = {}

    def error(parts: Parts) -> float:
        if parts not in known:
            known[parts] = _error(pipeline, windows, parts)
        return known[parts]

    sharing = itertools.islice(itertools.product((True, False), repeat=stages), options.sharing_tries // len(_KINDS))
    starts = [tuple(kind if each else _NOTHING for each in shares) for shares in sharing for kind in _KINDS]
    best = min(starts, key=error)
    before = None
    while best != before and len(known) < len(starts) + options.sharing_tries:
        before = best
        for place in range(stages):
            best = min([best, *(_with(best, place, kind) for kind in _KINDS)], key=error)
    step = options.sharing_step
    while step >= options.sharing_precision and len(known) < len(starts) + 2 * options.sharing_tries:
        found = best
        for place in range(stages):
            for by in itertools.product((0.0, step, -step), repeat=2):
                move = _with(found, place, (_bounded(found[place][0] + by[0]), _bounded(found[place][1] + by[1])))
                if error(move) < error(found) - options.sharing_better:
                    found = move
        best, step = (found, step) if found != best else (best, step / 2)
    return best if error((_NOTHING,) * stages) > error(best) + options.sharing_notable else None


def with_parts(stage: Stage, parts: tuple[float, float]) -> Stage:
    """The stage with these parts of its executions on device 0; unchanged if they are 0."""
    if max(parts) == 0.0:
        return stage
    return replace(stage, service=split(stage.service, parts), device=0)


def split(service: ServiceTimes, parts: tuple[float, float]) -> ServiceTimes:
    """Executions that take as long, with these parts of them on the device."""
    alone_s = service.host_s + service.device_s
    device_s = parts[0] * alone_s[0] + parts[1] * (alone_s - alone_s[0])
    return replace(service, host_s=np.maximum(0.0, alone_s - device_s), device_s=device_s, contention=0.0)


def _bounded(part: float) -> float:
    return min(1.0, max(0.0, part))


def _with(parts: Parts, place: int, part: tuple[float, float]) -> Parts:
    return (*parts[:place], part, *parts[place + 1 :])


def _error(pipeline: Pipeline, windows: Sequence[Beside], parts: Parts) -> float:
    """Root mean square of the logarithms of simulated by measured stretch."""
    squares, weights = 0.0, 0.0
    for window in windows:
        stages = [with_parts(stage, part) for stage, part in zip(window.stages, parts, strict=True)]
        _, runner = pipeline.run(stages, np.empty(pipeline.requests), window.concurrency)
        for place, stage in enumerate(stages):
            count = dict(enumerate(runner.executions[place].tolist()))
            alone_s = stage.service.host_s + stage.service.device_s
            ours = stretch(count, float(runner.busy_s[place]), alone_s)
            theirs = window.stretch[place]
            if ours > 0 and theirs > 0:
                weight = math.sqrt(window.executions[place])
                squares, weights = squares + weight * math.log(ours / theirs) ** 2, weights + weight
    return math.sqrt(squares / weights) if weights else math.inf
