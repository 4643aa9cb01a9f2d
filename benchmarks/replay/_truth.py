"""The rates that the configs of a grid are likely to sustain: recorded rates without most of their errors.

A grid holds one measurement of most configs, and the median of a few of the best. The highest of hundreds of rates with
errors of some percent is a lucky one: measured again, that config sustains less, and no search could deliver more.
Configs that differ little sustain about the same, so that the measurements of all say more about one than its own does.
That is a Gaussian process over the logarithm of the rates (Rasmussen and Williams, Gaussian Processes for Machine
Learning, 2006, chapter 2). Its scales are those that make the recorded rates likeliest (chapter 5), and so is the size
of the errors unless repeats show it. Nothing of the product's own simulation goes into it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.spatial.distance import cdist

from autotune.space import INSTANCE_COUNT, MAX_BATCH_SIZE, Candidate, ParameterValue
from benchmarks.replay._grid import Grid

_DELAY_UNIT_US = 100.0
_LEAST_SCALE, _MOST_SCALE = 0.2, 50.0
_LEAST_ERROR, _MOST_ERROR = 0.005, 1.0


@dataclass(frozen=True)
class Truth:
    """What is likely.

    Attributes:
        grid: The grid with the likely rates in place of the recorded ones; 0 where none kept the ceiling stays 0.
        error: Standard deviation of the logarithm of a recorded rate about the likely one.
    """

    grid: Grid
    error: float


def likely(grid: Grid) -> Truth:
    """The grid without most of the errors of its rates."""
    rates = np.array(grid.rates_per_s)
    kept = np.flatnonzero(rates > 0)
    known = grid.error and max(_LEAST_ERROR, grid.error)
    # A curve with bends and jumps would be taken for one with errors, unless these are known.
    features, groups = _features(list(grid.space.candidates()), jumps=known is not None)
    features = features[kept]
    logs = np.log(rates[kept])
    centre = logs.mean()
    # How much of each recorded rate is error: of medians less, and the best config was measured again and again.
    weight = np.array([_weight(grid.measured.get(int(place), 1)) for place in kept])
    if grid.repeats:
        best = int(np.argmax(logs))
        logs[best], weight[best] = np.log(grid.repeats).mean(), 1 / len(grid.repeats)
    start = np.log([logs.std(), known or 0.1, *np.full(groups.max() + 1, 2.0)])
    bounds = [
        (None, None),
        (np.log(known or _LEAST_ERROR), np.log(known or _MOST_ERROR)),
        *[(np.log(_LEAST_SCALE), np.log(_MOST_SCALE))] * (groups.max() + 1),
    ]
    data = features, groups, logs - centre, weight
    fit = minimize(_surprise, start, data, jac=True, method="L-BFGS-B", bounds=bounds)
    spread, error, scales = np.exp(fit.x[0]), float(np.exp(fit.x[1])), np.exp(fit.x[2:])[groups]
    covariance = _covariance(features, spread, scales)
    factor = cho_factor(covariance + np.diag(error**2 * weight), lower=True)
    rates[kept] = np.exp(centre + covariance @ cho_solve(factor, logs - centre))
    return Truth(replace(grid, rates_per_s=[float(rate) for rate in rates]), error)


def _weight(times: int) -> float:
    """The variance of the median of so many measurements, in units of that of one.

    That of two is their mean, that of three has 1.35 thirds, of more it is up to pi / 2 by their number (David
    and Nagaraja, Order Statistics, 3rd edition, 2003, section 8).
    """
    return (1.0 if times <= 2 else 1.35) / times


def _surprise(
    logarithms: NDArray[np.float64],
    features: NDArray[np.float64],
    groups: NDArray[np.int64],
    values: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64]]:
    """Minus the logarithm of the likelihood of the values, but for a constant, and its gradient.

    The gradient is half the trace of (inverse - alpha alpha') times that of the covariance (Rasmussen and Williams,
    equation 5.9).
    """
    spread, error = np.exp(logarithms[:2])
    scales = np.exp(logarithms[2:])[groups]
    covariance = _covariance(features, spread, scales)
    factor = cho_factor(covariance + np.diag(error**2 * weight), lower=True)
    alpha = cho_solve(factor, values)
    surprise = float(0.5 * values @ alpha + np.log(np.diag(factor[0])).sum())
    change = cho_solve(factor, np.eye(len(values))) - np.outer(alpha, alpha)
    by_error = error**2 * (np.diag(change) * weight).sum()
    change *= covariance
    # of each column: half the sum of change times the squared differences, without a matrix of those
    apart = change.sum(axis=1) @ features**2 - (features * (change @ features)).sum(axis=0)
    return surprise, np.array([change.sum(), by_error, *np.bincount(groups, apart / np.square(scales))])


def _covariance(features: NDArray[np.float64], spread: float, scales: NDArray[np.float64]) -> NDArray[np.float64]:
    scaled = features / scales
    return np.asarray(spread**2 * np.exp(-0.5 * cdist(scaled, scaled, "sqeuclidean")))


def _features(candidates: Sequence[Candidate], *, jumps: bool) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """In what configs differ, shape (configs, columns), and the number of the scale that each column has.

    Sizes and times count by their doublings, the rest as 0 and 1.

    Args:
        candidates: The configs.
        jumps: Whether rates may jump between any two batch sizes: then each has a column too, all of one scale.
    """
    every = [candidate.as_dict() for candidate in candidates]
    columns: list[NDArray[np.float64]] = []
    groups: list[int] = []
    scales = 0
    for name in every[0]:
        plain, values = name.rpartition("/")[2], [each[name] for each in every]
        parts = [[each] for each in _columns(plain, values)]
        if jumps and plain == MAX_BATCH_SIZE:
            parts.append([np.array([float(value == size) for value in values]) for size in dict.fromkeys(values)])
        for part in parts:
            groups += [scales] * len(part)
            columns += part
            scales += 1
    return np.column_stack(columns), np.array(groups)


def _columns(name: str, values: Sequence[ParameterValue]) -> list[NDArray[np.float64]]:
    """Of one parameter of each config; none if all have the same value."""
    distinct = list(dict.fromkeys(values))
    if len(distinct) == 1:
        return []
    if name in (MAX_BATCH_SIZE, INSTANCE_COUNT):
        return [np.log2(_numbers(values))]
    if name == "max_queue_delay_microseconds":
        delay_us = _numbers(values)
        return [np.log2(1 + delay_us / _DELAY_UNIT_US), (delay_us == 0).astype(float)]
    if name == "preferred_batch_size":
        none = np.array([value == "none" for value in values])
        sizes = _numbers(["1" if value == "none" else value for value in values])
        return [np.log2(sizes), none.astype(float)]
    return [np.array([float(value == each) for value in values]) for each in distinct[1:]]


def _numbers(values: Sequence[ParameterValue]) -> NDArray[np.float64]:
    return np.array([float(str(value)) for value in values])
