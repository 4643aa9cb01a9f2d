"""The highest load at which every ceiling is met: found, then certified.

One search and one certificate for both kinds of load. A `LoadAxis` is what they search along: the rate of an open loop,
or the concurrency of a closed one.
"""

from autotune.measurement.load_search._axis import Found, LoadAxis
from autotune.measurement.load_search._certificate import Certificate, certify
from autotune.measurement.load_search._closed_loop import ConcurrencyAxis
from autotune.measurement.load_search._counts import counts, strictest
from autotune.measurement.load_search._open_loop import RateAxis
from autotune.measurement.load_search._ranking import rank, too_slow
from autotune.measurement.load_search._search import search

__all__ = [
    "Certificate",
    "ConcurrencyAxis",
    "Found",
    "LoadAxis",
    "RateAxis",
    "certify",
    "counts",
    "rank",
    "search",
    "strictest",
    "too_slow",
]
