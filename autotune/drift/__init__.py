"""Watches a deployed server: does its config still fit the traffic that comes?

`read_counters` reads Triton's Prometheus metrics, `Interval` is what two readings differ by, and `Expectation` is what
the study and its simulation say of such traffic.
"""

from autotune.drift._counters import Counters, read_counters
from autotune.drift._expectation import Drift, Expectation, Judgement
from autotune.drift._interval import Interval
from autotune.drift._trace import arrival_times, write_trace

__all__ = [
    "Counters",
    "Drift",
    "Expectation",
    "Interval",
    "Judgement",
    "arrival_times",
    "read_counters",
    "write_trace",
]
