"""The statistics of late requests: tests, design effect, location of a rate, bounds of percentiles and means.

Pure functions of counts and latencies; nothing here knows of servers, clients or clocks.
"""

from autotune.measurement.statistics._batch_means import mean_bounds
from autotune.measurement.statistics._design_effect import ClusteredCounts, at_fraction
from autotune.measurement.statistics._isotonic import Bracket, RateCounts, bracket, pooled_fractions
from autotune.measurement.statistics._late_counts import LateCounts, Verdict
from autotune.measurement.statistics._location import Location, locate, next_rate
from autotune.measurement.statistics._options import DEFAULTS, StatisticsOptions
from autotune.measurement.statistics._paired import Ratio, paired_ratio
from autotune.measurement.statistics._percentile import percentile_bounds
from autotune.measurement.statistics._sequential import (
    Decision,
    confidence,
    e_fails,
    e_holds,
    log_e_fails,
    log_e_holds,
)

__all__ = [
    "DEFAULTS",
    "Bracket",
    "ClusteredCounts",
    "Decision",
    "LateCounts",
    "Location",
    "RateCounts",
    "Ratio",
    "StatisticsOptions",
    "Verdict",
    "at_fraction",
    "bracket",
    "confidence",
    "e_fails",
    "e_holds",
    "locate",
    "log_e_fails",
    "log_e_holds",
    "mean_bounds",
    "next_rate",
    "paired_ratio",
    "percentile_bounds",
    "pooled_fractions",
]
