"""The time of an execution by batch size: what is taken for sizes that were not seen, and which are worth a trial."""

from __future__ import annotations

import numpy as np
import pytest

from autotune.measurement import sizes_up_to, unclear_sizes
from autotune.prediction import PredictionOptions
from autotune.prediction._curve import between, unseen_octaves, useful_sizes

ALL = np.arange(1, 65)
OPTIONS = PredictionOptions()


def knee(at: int) -> np.ndarray:
    return 2.0 + 0.1 * ALL + 0.3 * np.maximum(0, ALL - at)


def steps(of: int) -> np.ndarray:
    return 1.5 + 0.15 * of * np.ceil(ALL / of)


def cliff(at: int) -> np.ndarray:
    return (3.0 + 0.1 * ALL) * np.where(at < ALL, 2.0, 1.0)


def learnt(truth: np.ndarray) -> np.ndarray:
    """What the windows of sizes show of a device, and the curve between."""
    seen: dict[int, float] = {}
    asked = sizes_up_to(64)
    while asked:
        seen |= {size: float(truth[size - 1]) for size in asked}
        asked = unclear_sizes(seen)
    sizes = np.array(sorted(seen))
    return between(sizes, np.array([seen[size] for size in sizes.tolist()]))


DEVICES = [knee(10), knee(16), knee(21), knee(29), knee(44), steps(12), steps(16), steps(20), cliff(24), cliff(37)]


@pytest.mark.parametrize("truth", DEVICES)
def test_the_whole_curve_is_known_after_the_windows_of_sizes(truth: np.ndarray) -> None:
    assert np.abs(learnt(truth) / truth - 1).max() < 0.02


@pytest.mark.parametrize(
    ("truth", "useful"),
    [
        (knee(21), {21}),
        (knee(44), {44}),
        (steps(12), {12, 24, 36, 48}),
        (steps(20), {20, 40, 60}),
        (cliff(37), {37}),
        (2.0 + 0.1 * ALL, set()),
        (np.sqrt(ALL), set()),
    ],
)
def test_sizes_just_below_a_jump_or_a_bend_are_useful(truth: np.ndarray, useful: set[int]) -> None:
    found = set(useful_sizes(learnt(truth), OPTIONS))
    assert found >= useful
    assert len(found) <= (OPTIONS.useful_sizes if useful else 0)


def test_the_curve_never_falls() -> None:
    rng = np.random.default_rng(0)
    sizes = np.array(sizes_up_to(64))
    for _ in range(100):
        seconds = np.cumsum(rng.exponential(size=len(sizes)))
        assert (np.diff(between(sizes, seconds)) >= -1e-9).all()


def test_sizes_far_from_those_seen_are_in_doubt() -> None:
    octaves = unseen_octaves(np.array([1.0, 8.0, 11.3, 64.0]), np.array([1, 8, 16]))
    assert octaves == pytest.approx([0.0, 0.0, 0.5, 2.0], abs=0.01)
