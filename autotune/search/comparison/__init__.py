"""Given configs, measured in turns on fresh servers, and what follows: a ranking with ties, or a gate.

Unlike the final comparison of a study, no config was chosen by its measurements, and the number of rounds is fixed.
"""

from autotune.search.comparison._baseline import Baseline, other_machine, read_baseline
from autotune.search.comparison._decide import OURS, CheckResult, Gate, Ranking, gate, rank, speedup
from autotune.search.comparison._measurer import Measurer, failed_sample, load_sample, searched_sample
from autotune.search.comparison._rounds import measure_in_turns, turns
from autotune.search.comparison._types import ComparisonResult, Contender, Metric, Out, Sample

__all__ = [
    "OURS",
    "Baseline",
    "CheckResult",
    "ComparisonResult",
    "Contender",
    "Gate",
    "Measurer",
    "Metric",
    "Out",
    "Ranking",
    "Sample",
    "failed_sample",
    "gate",
    "load_sample",
    "measure_in_turns",
    "other_machine",
    "rank",
    "read_baseline",
    "searched_sample",
    "speedup",
    "turns",
]
