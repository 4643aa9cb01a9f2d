"""The time of an execution as a function of its batch size: between the sizes seen, and where it jumps or bends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autotune.prediction._options import PredictionOptions

Floats = NDArray[np.float64]


def between(sizes: NDArray[np.int64], seconds: Floats) -> Floats:
    """Seconds of an execution of 1 to ``sizes[-1]`` items: never falling, with kinks between the sizes seen.

    A gap whose mean slope lies between those of its neighbours holds a bend: the lines of both sides go on until they
    meet. Elsewhere a straight line joins the two ends.

    Args:
        sizes: Those seen, ascending, shape (n,).
        seconds: Mean time of an execution of each, never falling, shape (n,).
    """
    every = np.arange(1, sizes[-1] + 1)
    found = np.interp(every, sizes, seconds)
    slopes = np.diff(seconds) / np.diff(sizes)
    for gap in range(1, len(slopes) - 1):
        before, here, after = slopes[gap - 1 : gap + 2]
        inside = (every > sizes[gap]) & (every < sizes[gap + 1])
        if not inside.any() or not min(before, after) < here < max(before, after):
            continue
        left = seconds[gap] + before * (every[inside] - sizes[gap])
        right = seconds[gap + 1] - after * (sizes[gap + 1] - every[inside])
        found[inside] = np.maximum(left, right) if before < after else np.minimum(left, right)
    return np.asarray(found)


def useful_sizes(alone_s: Floats, options: PredictionOptions) -> tuple[int, ...]:
    """The sizes just below a jump or a bend upwards, where a larger batch stops being worth its time.

    Args:
        alone_s: Seconds of an execution of 1, 2, ... items.
        options: What counts as one, and how many.
    """
    steps = np.diff(alone_s)
    bends = np.diff(steps) / alone_s[1:-1]  # by how much more the next item takes than the last, as a part of the whole
    strongest = np.argsort(-bends)[: options.useful_sizes]
    return tuple(sorted(int(place) + 2 for place in strongest if bends[place] > options.useful_bend))


def unseen_octaves(batches: Floats, sizes: NDArray[np.int64]) -> Floats:
    """Octaves from each mean batch to the nearest size that was seen, shape as ``batches``."""
    apart = np.abs(np.log2(np.maximum(batches, 1.0))[:, None] - np.log2(sizes)[None, :])
    return np.asarray(apart.min(axis=1))
