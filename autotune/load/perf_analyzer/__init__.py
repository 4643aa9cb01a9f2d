"""perf_analyzer as a load generator, for those who have its binary: a second opinion from another client."""

from autotune.load.perf_analyzer._command import PerfAnalyzerOptions
from autotune.load.perf_analyzer._find import find_perf_analyzer
from autotune.load.perf_analyzer._generator import PerfAnalyzerGenerator
from autotune.load.perf_analyzer._report import PerfAnalyzerReport, read_report

__all__ = [
    "PerfAnalyzerGenerator",
    "PerfAnalyzerOptions",
    "PerfAnalyzerReport",
    "find_perf_analyzer",
    "read_report",
]
