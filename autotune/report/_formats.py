"""The output formats by name.

A new one is a module with the functions of `Format`, and a line in `FORMATS`. A new one for measurements alone is a
module with a function ``sweep``, and a line in `SWEEP_FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from autotune.errors import UsageError
from autotune.report import _json, _sweep_csv, _sweep_lines, _sweep_markdown, _sweep_perf_analyzer, _text

if TYPE_CHECKING:
    from autotune.measurement import SweepResult
    from autotune.search import FleetResult, StudyResult
    from autotune.search.comparison import CheckResult, ComparisonResult
    from autotune.server import Diagnosis


class Format(Protocol):
    """Results as text that is written as it is."""

    def study(self, result: StudyResult, /) -> str:
        """A study: trials, the best config, the final comparison."""

    def sweep(self, result: SweepResult, /) -> str:
        """A measurement of one config."""

    def comparison(self, result: ComparisonResult, /) -> str:
        """Given configs, compared."""

    def check(self, result: CheckResult, /) -> str:
        """A config beside its baseline."""

    def diff(self, first: StudyResult, second: StudyResult, /) -> str:
        """Two studies side by side."""

    def studies(self, results: Sequence[StudyResult], /) -> str:
        """The studies of a database."""

    def fleet(self, result: FleetResult, /) -> str:
        """The models of a repository, and what each gains."""

    def doctor(self, findings: Sequence[Diagnosis], /) -> str:
        """What each launch mode finds and what is missing."""


FORMATS: dict[str, Format] = {"text": _text, "json": _json}

SWEEP_FORMATS: dict[str, Callable[[SweepResult], str]] = {
    **{name: each.sweep for name, each in FORMATS.items()},
    "markdown": _sweep_markdown.sweep,
    "csv": _sweep_csv.sweep,
    "perf_analyzer": _sweep_perf_analyzer.sweep,
    "lines": _sweep_lines.sweep,
}
"""Formats of a measurement."""


def find_format(name: str) -> Format:
    """The format of that name; raises `UsageError` if there is none."""
    if name not in FORMATS:
        raise UsageError(f"--format: {name!r} is unknown; use {' or '.join(FORMATS)}")
    return FORMATS[name]


def find_sweep_format(name: str) -> Callable[[SweepResult], str]:
    """The format of a measurement of that name; raises `UsageError` if there is none."""
    if name not in SWEEP_FORMATS:
        raise UsageError(f"--format: {name!r} is unknown; use {', '.join(SWEEP_FORMATS)}")
    return SWEEP_FORMATS[name]
