"""Traffic that was watched, as a file that ``autotune run --trace`` tunes for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autotune.drift._interval import Interval
from autotune.errors import UsageError


def arrival_times(intervals: Sequence[Interval], seed: int = 0) -> NDArray[np.float64]:
    """Times in seconds from the start, ascending: in each interval as many requests as came, at random.

    Counters do not say when within an interval requests came; a shorter interval shows shorter bursts.
    """
    random = np.random.default_rng(seed)
    starts = np.cumsum([0.0, *(each.seconds for each in intervals)])
    parts = [
        start + np.sort(random.uniform(0, each.seconds, each.requests))
        for start, each in zip(starts, intervals, strict=False)
    ]
    return np.concatenate(parts) if parts else np.zeros(0)


def write_trace(path: Path, intervals: Sequence[Interval]) -> None:
    """Writes the times, one a line.

    Raises:
        UsageError: The file cannot be written.
    """
    lines = [
        "# seconds; requests of each interval are spread at random",
        *map("{:.6f}".format, arrival_times(intervals)),
    ]
    try:
        path.write_text("\n".join(lines) + "\n")
    except OSError as error:
        raise UsageError(f"--write-trace: cannot write {path}: {error.strerror}") from error
