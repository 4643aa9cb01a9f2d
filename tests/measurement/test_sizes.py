"""Which batch sizes are asked for directly, to see how long their executions take."""

import itertools

import pytest

from autotune.measurement import between_jumps, sizes_up_to


@pytest.mark.parametrize("largest", [2, 8, 24, 64, 100, 128])
def test_every_doubling_is_covered_up_to_the_largest(largest: int) -> None:
    sizes = sizes_up_to(largest)
    assert (sizes[0], sizes[-1]) == (1, largest)
    assert all(low < high <= max(low + 1, 1.3 * low) for low, high in itertools.pairwise(sizes))


def seen(seconds_of: list[float]) -> dict[int, float]:
    return {size: seconds_of[size - 1] for size in sizes_up_to(len(seconds_of))}


def test_a_straight_line_needs_no_further_sizes() -> None:
    assert between_jumps(seen([0.002 + 0.0001 * size for size in range(1, 65)])) == ()


@pytest.mark.parametrize("edge", [12, 24, 25, 30, 43, 60])
def test_a_cliff_is_looked_at_size_by_size(edge: int) -> None:
    times = [(0.003 + 0.0001 * size) * (2 if size > edge else 1) for size in range(1, 65)]
    sizes = seen(times)
    every = sorted({*sizes, *between_jumps(sizes)})
    assert edge in every
    assert edge + 1 in every
