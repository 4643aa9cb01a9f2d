"""When requests are due: the absolute send times of an open-loop schedule, drawn before the run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from autotune.errors import UsageError
from autotune.load._types import ClosedLoop, ConstantRate, PoissonRate, Schedule

if TYPE_CHECKING:
    from numpy.typing import NDArray


def check_schedule(schedule: Schedule, duration_s: float) -> None:
    """Raises `UsageError` where a schedule asks for no load at all."""
    if isinstance(schedule, ClosedLoop):
        if schedule.concurrency < 1:
            raise UsageError(f"--concurrency: {schedule.concurrency} requests cannot be outstanding; use 1 or more")
    elif not (math.isfinite(schedule.rate_per_s) and schedule.rate_per_s > 0):
        raise UsageError(f"--rate: {schedule.rate_per_s:g} requests/s cannot be offered; use a rate above zero")
    if not (math.isfinite(duration_s) and duration_s > 0):
        raise UsageError(f"window: {duration_s:g} s is not a duration to offer load for; use one above zero")


def arrival_times(schedule: ConstantRate | PoissonRate, duration_s: float) -> NDArray[np.float64]:
    """Scheduled send times in seconds from the start, ascending, all within ``[0, duration_s)``.

    `ConstantRate`: multiples of ``1 / rate_per_s``. `PoissonRate`: cumulated exponential gaps of mean
    ``1 / rate_per_s`` from a generator seeded with ``seed``, as many as fall in the window, so the count is
    Poisson distributed; equal seeds give equal times.
    """
    rate = schedule.rate_per_s
    if isinstance(schedule, ConstantRate):
        times = np.arange(math.ceil(rate * duration_s)) / rate
        return times[times < duration_s]
    random = np.random.default_rng(schedule.seed)
    expected = rate * duration_s
    block = int(expected + 6 * math.sqrt(expected)) + 16
    times = np.cumsum(random.exponential(1 / rate, block))
    while times[-1] < duration_s:
        times = np.concatenate([times, times[-1] + np.cumsum(random.exponential(1 / rate, block))])
    return times[: np.searchsorted(times, duration_s)].copy()
