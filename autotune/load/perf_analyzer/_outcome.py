"""From perf_analyzer's export to a `LoadResult`."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import numpy as np

from autotune.load._result import LoadResult
from autotune.load._schedule import ClosedLoop, OpenLoop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autotune.load._schedule import Schedule
    from autotune.load.perf_analyzer._export import Export
    from autotune.load.perf_analyzer._process import Ended

_SENT_PER_S = re.compile(r"Avg send request rate: (?P<rate>[\d.]+)")
_CHANCE = 3.0  # standard deviations of a count that are no shortfall


def measured(schedule: Schedule, batch_size: int, warmup_s: float, export: Export, ended: Ended) -> LoadResult:
    """The requests that were *answered* after the warm-up and before the end of the last window.

    perf_analyzer counts so too. A few of them were sent before the warm-up's end and have a negative
    ``scheduled_s``, as many, in a steady state, as it had not been answered when it stopped.
    """
    first_ns, last_ns = int(export.windows_ns[0]), int(export.windows_ns[-1])
    start_ns = min(first_ns + int(warmup_s * 1e9), last_ns - 1)
    counted = (export.answered_ns > start_ns) & (export.answered_ns <= last_ns)
    sent_s = (export.sent_ns[counted] - start_ns) / 1e9
    latency_s = (export.answered_ns[counted] - export.sent_ns[counted]) / 1e9
    duration_s = (last_ns - start_ns) / 1e9
    errors = _shortfall(schedule, duration_s, latency_s, ended.stdout) if isinstance(schedule, OpenLoop) else {}
    missing = sum(errors.values())
    return LoadResult(
        schedule=schedule,
        duration_s=duration_s,
        elapsed_s=duration_s,
        batch_size=batch_size,
        scheduled_s=np.concatenate([sent_s, np.full(missing, duration_s)]),
        latency_s=np.concatenate([latency_s, np.full(missing, np.inf)]),
        lateness_s=np.zeros(len(sent_s) + missing),
        errors=errors,
        client_cpu_s=ended.cpu_between(start_ns / 1e9, last_ns / 1e9),
        error_example=f"{next(iter(errors))}: perf_analyzer fell behind its rate" if errors else "",
        started_at=time.perf_counter() - (time.time_ns() - start_ns) / 1e9,
        mid_flow=True,
    )


def nothing_measured(
    schedule: Schedule, duration_s: float, batch_size: int, failed: Sequence[tuple[str, str]], elapsed_s: float
) -> LoadResult:
    """A run that perf_analyzer ended because of ``failed`` requests, with their kind and message."""
    errors: dict[str, int] = {}
    for kind, _ in failed:
        errors[kind] = errors.get(kind, 0) + 1
    return LoadResult(
        schedule=schedule,
        duration_s=duration_s,
        elapsed_s=elapsed_s,
        batch_size=batch_size,
        scheduled_s=np.zeros(len(failed)),
        latency_s=np.full(len(failed), np.inf),
        lateness_s=np.zeros(len(failed)),
        errors=errors,
        error_example=": ".join(failed[0]),
        started_at=time.perf_counter() - elapsed_s,
    )


def unanswered(schedule: Schedule, duration_s: float) -> list[tuple[str, str]]:
    """The failed requests of a run in which a whole window passed without an answer."""
    count = schedule.concurrency if isinstance(schedule, ClosedLoop) else int(schedule.rate_per_s * duration_s)
    return [("timeout", "no request was answered in a whole window of perf_analyzer")] * max(1, count)


def _shortfall(
    schedule: OpenLoop, duration_s: float, latency_s: np.ndarray[tuple[int], np.dtype[np.float64]], stdout: str
) -> dict[str, int]:
    """Requests of an open loop that are not in the export: not sent, or sent and not answered in the window.

    perf_analyzer exports answered ones only, and when it began to send is not known. It says at which rate it sent
    where many requests were sent too late; else it sent as asked. What is outstanding in a steady state (Little's law:
    rate times latency, here the 95th percentile of the first quarter, before a queue has grown) is not missing, nor is
    what chance takes from the count of random arrivals.
    """
    asked = schedule.rate_per_s * duration_s
    asked -= max(1.0, _CHANCE * float(np.sqrt(asked * schedule.dispersion)))
    said = _SENT_PER_S.search(stdout)
    sent = min(asked, float(said["rate"]) * duration_s) if said else asked
    early_s = latency_s[: -(-len(latency_s) // 4)]
    in_flight = schedule.rate_per_s * float(np.quantile(early_s, 0.95)) if len(early_s) else 0.0
    missing = {"unsent": int(max(0.0, asked - sent)), "timeout": int(max(0.0, sent - len(latency_s) - in_flight))}
    return {kind: count for kind, count in missing.items() if count}
