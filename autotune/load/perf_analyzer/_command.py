"""A schedule as a perf_analyzer command line of one fixed length.

perf_analyzer measures in windows until the last three agree, and gives up when they do not. Any three agree at the
stability threshold used here, so it takes exactly three, back to back, and reports them as one; their requests are
exported and the warm-up is cut off afterwards. Its time windows last 1.2 times ``--measurement-interval``.

Requests of a rate are sent after intervals that it reads from a file. Its own Poisson arrivals
(``--request-distribution``) are the same ones in every run, stretched to the rate
(`findings/perf_analyzer_poisson_repeats.sh`), so that repeated windows would show nothing new.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autotune.errors import UsageError
from autotune.load._schedule import ClosedLoop, ConstantRate, OpenLoop, PoissonRate, SpacedRate

if TYPE_CHECKING:
    from pathlib import Path

    from autotune.load._schedule import Schedule

INPUT_DATA = "input_data.json"
INTERVALS = "intervals.txt"
EXPORT = "requests.json"
REPORT = "report.csv"
_WINDOWS = 3
_WINDOW_PER_INTERVAL = 1.2
_ANY_PERCENTAGE = "1000000000"
_LONGER = 1.5  # what it sends beyond warm-up and window would begin the intervals again


@dataclass(frozen=True)
class PerfAnalyzerOptions:
    """How perf_analyzer is run.

    Attributes:
        warmup_s: Load before the window, in seconds.
        asynchronous: Closed loop with ``--async``, its few threads with many requests each, rather than with one
            thread a request, which is its default. At a request rate it is always asynchronous: its synchronous
            threads would wait for answers instead of sending on time.
        arguments: Further arguments, passed as they are.
        start_limit_s: Seconds it may take beyond warm-up, window and timeout, to start and to sum up.
        export_limit_s: Seconds it may take after that, to write out its requests.
    """

    warmup_s: float = 0.5
    asynchronous: bool = False
    arguments: tuple[str, ...] = ()
    start_limit_s: float = 10.0
    export_limit_s: float = 120.0


def load_arguments(schedule: Schedule, options: PerfAnalyzerOptions) -> list[str]:
    """The arguments for the load.

    Raises:
        UsageError: A schedule that perf_analyzer cannot offer.
    """
    if isinstance(schedule, ClosedLoop) and not schedule.client_s:
        return ["--concurrency-range", str(schedule.concurrency), *(["--async"] if options.asynchronous else [])]
    if isinstance(schedule, ConstantRate | PoissonRate | SpacedRate):
        return ["--request-intervals", INTERVALS, "--async"]
    raise UsageError(
        "--client perf_analyzer: offers rates and concurrencies without think time only; use --client autotune for"
        " other loads"
    )


def intervals(schedule: OpenLoop, duration_s: float, options: PerfAnalyzerOptions) -> str:
    """The file of intervals: microseconds from each request to the next, the first from the start, a line each."""
    times_s = schedule.arrivals(_LONGER * (options.warmup_s + duration_s) + 1.0)
    gaps_us = np.diff(np.round(times_s * 1e6).astype(np.int64), prepend=0)
    return "".join(f"{gap}\n" for gap in gaps_us)


def command(
    binary: Path,
    *,
    model: str,
    protocol: str,
    address: str,
    batch_size: int,
    load: list[str],
    duration_s: float,
    options: PerfAnalyzerOptions,
) -> list[str]:
    """The complete command line, to be run in a folder that holds the input data.

    Args:
        binary: perf_analyzer.
        model: The model's name.
        protocol: ``http`` or ``grpc``.
        address: ``host:port``.
        batch_size: Inferences in a request.
        load: From `load_arguments`.
        duration_s: The window without the warm-up.
        options: How to run it.
    """
    interval_s = (options.warmup_s + duration_s) / _WINDOWS / _WINDOW_PER_INTERVAL
    return [
        str(binary),
        *("-m", model),
        *("-i", protocol),
        *("-u", address),
        *("-b", str(batch_size)),
        *("--input-data", INPUT_DATA),
        *("--measurement-interval", str(max(1, math.ceil(interval_s * 1e3)))),
        *("--stability-percentage", _ANY_PERCENTAGE),
        *("--max-trials", str(_WINDOWS)),
        *("--profile-export-file", EXPORT),
        *("-f", REPORT),
        "--verbose-csv",
        *load,
        *options.arguments,
    ]
