"""Which batch sizes are asked for directly, to see how long their executions take."""

import itertools

import pytest

from autotune.measurement import MeasureOptions, sizes_up_to, unclear_sizes


@pytest.mark.parametrize("largest", [2, 8, 24, 64, 100, 128])
def test_every_doubling_is_covered_up_to_the_largest(largest: int) -> None:
    sizes = sizes_up_to(largest)
    assert (sizes[0], sizes[-1]) == (1, largest)
    assert all(low < high <= max(low + 1, 1.3 * low) for low, high in itertools.pairwise(sizes))


def seen(seconds_of: list[float]) -> list[tuple[int, ...]]:
    """The sizes that are asked for in each window."""
    windows = [sizes_up_to(len(seconds_of))]
    while windows[-1]:
        asked = {size for each in windows for size in each}
        windows.append(unclear_sizes({size: seconds_of[size - 1] for size in asked}))
    return windows[:-1]


def test_a_straight_line_needs_no_further_sizes() -> None:
    assert len(seen([0.002 + 0.0001 * size for size in range(1, 65)])) == 1


@pytest.mark.parametrize("edge", [12, 24, 25, 30, 43, 60])
@pytest.mark.parametrize("beyond_s", [[0.003, 0.0001], [0.0, 0.0008]], ids=["jump", "bend"])
def test_the_last_size_before_a_jump_or_a_bend_is_found_in_few_short_windows(edge: int, beyond_s: list[float]) -> None:
    jump_s, each_s = beyond_s
    windows = seen(
        [
            0.003 + 0.0001 * min(size, edge) + (jump_s if size > edge else 0.0) + each_s * max(0, size - edge)
            for size in range(1, 65)
        ]
    )
    assert {edge, edge + 1} <= {size for each in windows for size in each}
    assert len(windows) <= 1 + MeasureOptions().size_rounds
    assert sum(map(len, windows[1:])) <= 8
