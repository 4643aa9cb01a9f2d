"""From the working file of a recording to a grid: the machine's drift divided out, repeats made one."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence

import numpy as np

from autotune.space import SearchSpace
from benchmarks.replay._grid import Grid, RecordedStart
from benchmarks.replay._working import WorkingFile

LAST = "last"
"""Name of the reference that ends a recording."""

_SMOOTHED_OVER = 5
_FEWEST_FOR_DRIFT, _FEWEST_FOR_NOISE = 3, 4


def pack(working: WorkingFile, *, correct_drift: bool = True) -> Grid:
    """The grid.

    Raises:
        SystemExit: Something was not measured yet.
    """
    subject = working.subject
    space, _ = SearchSpace.parse(working.head["space"], "space").restricted_to(subject.spec())
    rates = corrected_rates(working, correct_drift=correct_drift)
    missing = space.size - len(rates)
    if missing:
        raise SystemExit(f"--pack: {missing} of {space.size} configs were not measured yet; record again first")
    if ("reference", LAST, 0) not in working.done:
        raise SystemExit("--pack: the best configs were not measured again yet; record again first")
    seconds = {entry.name: entry.seconds for _, entry in working.of("config")}
    factor = drift(working) if correct_drift else _none
    starts = [
        RecordedStart(
            entry.name, entry.key, _rounded(entry.rate_per_s / factor(place)), round(entry.seconds, 2), entry.windows
        )
        for place, entry in working.of("start")
    ]
    names = [str(number) for number in range(space.size)]
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
        seconds=[round(seconds[name], 2) for name in names],
    )


def corrected_rates(working: WorkingFile, *, correct_drift: bool = True) -> dict[str, float]:
    """Inferences/s of each config that was measured, by its place in the space: the median of its measurements.

    The maximum of many noisy rates is too high. That of medians of three is less so, and it is the best configs that
    are measured three times.
    """
    factor = drift(working) if correct_drift else _none
    measured: dict[str, list[float]] = {}
    for task in ("config", "again"):
        for place, entry in working.of(task):
            measured.setdefault(entry.name, []).append(entry.rate_per_s / factor(place))
    return {name: statistics.median(rates) for name, rates in measured.items()}


def drift(working: WorkingFile) -> Callable[[int], float]:
    """By what factor a config measured at some place was carried better than at the reference's median.

    A single reference errs as much as what it is to correct: five neighbours are averaged, those between interpolated.
    """
    places = [place for place, entry in working.of("reference") if entry.rate_per_s > 0]
    logs = np.log([rate for rate in _reference(working) if rate > 0])
    if len(places) < _FEWEST_FOR_DRIFT:
        return _none
    half = _SMOOTHED_OVER // 2
    smoothed = [logs[max(0, at - half) : at + half + 1].mean() for at in range(len(logs))]
    relative = np.array(smoothed) - np.median(logs)
    return lambda place: float(np.exp(np.interp(place, places, relative)))


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


def _none(place: int) -> float:
    return 1.0


def _rounded(rate_per_s: float) -> float:
    """Four digits, far finer than it was measured."""
    return float(f"{rate_per_s:.4g}")
