"""From the working file of a recording to a grid: repeats made one.

A drift of the machine is not divided out: the reference's rate scatters as much as that of any config, so that a
correction by it would make configs that are alike differ more.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence

import numpy as np

from benchmarks.replay._grid import Grid, RecordedStart
from benchmarks.replay._working import WorkingFile

LAST = "last"
"""Name of the reference that ends a recording."""

_FEWEST_FOR_NOISE = 4


def pack(working: WorkingFile) -> Grid:
    """The grid.

    Raises:
        SystemExit: Something was not measured yet.
    """
    subject, space = working.subject, working.space
    rates = measured_rates(working)
    missing = space.size - len(rates)
    if missing:
        raise SystemExit(f"--pack: {missing} of {space.size} configs were not measured yet; record again first")
    if ("reference", LAST, 0) not in working.done:
        raise SystemExit("--pack: the best configs were not measured again yet; record again first")
    seconds = {entry.name: entry.seconds for _, entry in working.of("config")}
    starts = [
        RecordedStart(entry.name, entry.key, _rounded(entry.rate_per_s), round(entry.seconds, 2), entry.windows)
        for _, entry in working.of("start")
    ]
    names = [str(number) for number in range(space.size)]
    measurements = _measurements(working)
    return Grid(
        subject=subject,
        space=space,
        space_text=working.head["space"],
        probe_s=working.head["probe_s"],
        recorded_on=working.head["recorded_on"],
        environment=working.head["environment"],
        noise=noise(_reference(working)),
        unlocated_s=round(statistics.median(entry.unlocated_s for entry in working.entries), 3),
        reference=[_rounded(rate) for rate in _reference(working)],
        starts=starts,
        rates_per_s=[_rounded(rates[name]) for name in names],
        measured={int(name): len(each) for name, each in measurements.items() if len(each) > 1},
        error=_error(measurements.values()),
        seconds=[round(seconds[name], 2) for name in names],
    )


def measured_rates(working: WorkingFile) -> dict[str, float]:
    """Inferences/s of each config that was measured, by its place in the space: the median of its measurements.

    The maximum of many noisy rates is too high. That of medians of three is less so, and it is the best configs that
    are measured three times.
    """
    return {name: statistics.median(rates) for name, rates in _measurements(working).items()}


def _measurements(working: WorkingFile) -> dict[str, list[float]]:
    """Every rate of each config, by its place in the space."""
    measured: dict[str, list[float]] = {}
    for task in ("config", "again"):
        for _, entry in working.of(task):
            measured.setdefault(entry.name, []).append(entry.rate_per_s)
    return measured


def _error(measurements: Iterable[Sequence[float]]) -> float | None:
    """Standard deviation of the logarithm of one rate of several of one config; None where none has several."""
    logs = [np.log(each) for each in measurements if len(each) > 1 and min(each) > 0]
    degrees = sum(len(each) - 1 for each in logs)
    squares = math.fsum(float(((each - each.mean()) ** 2).sum()) for each in logs)
    return round(math.sqrt(squares / degrees), 4) if degrees else None


def noise(reference: Sequence[float]) -> float | None:
    """Standard deviation of the logarithm from one measurement to the next; None where they are too few.

    From successive differences, which a slow drift hardly adds to (von Neumann, Annals of Mathematical Statistics 12,
    1941).
    """
    kept = [rate for rate in reference if rate > 0]
    if len(kept) < _FEWEST_FOR_NOISE:
        return None
    return round(math.sqrt(float(np.mean(np.diff(np.log(kept)) ** 2)) / 2), 4)


def _reference(working: WorkingFile) -> list[float]:
    return [entry.rate_per_s for _, entry in working.of("reference")]


def _rounded(rate_per_s: float) -> float:
    """Four digits, far finer than it was measured."""
    return float(f"{rate_per_s:.4g}")
