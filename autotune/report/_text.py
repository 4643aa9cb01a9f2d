"""Results as tables and sentences, as wide as the terminal and in colours if there is one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from autotune.report._comparison import check_lines, comparison_table
from autotune.report._diff import diff_lines
from autotune.report._doctor import doctor_table
from autotune.report._fleet import fleet_table
from autotune.report._format import wide_console
from autotune.report._studies import studies_table
from autotune.report._summary import study_summary
from autotune.report._sweep import sweep_table
from autotune.search import outline_of

if TYPE_CHECKING:
    from autotune.measurement import SweepResult
    from autotune.search import FleetResult, StudyResult
    from autotune.search.comparison import CheckResult, ComparisonResult
    from autotune.server import Diagnosis


def study(result: StudyResult) -> str:
    """The trials, the verdict and the exported config's path."""
    return _printed(lambda console: study_summary(result, console))


def sweep(result: SweepResult) -> str:
    """A row per window."""
    return _printed(lambda console: sweep_table(result, console))


def comparison(result: ComparisonResult) -> str:
    """A row per config, its rounds and the verdict."""
    return _printed(lambda console: comparison_table(result, console))


def check(result: CheckResult) -> str:
    """The comparison with the baseline, and whether the config passed."""
    return _printed(lambda console: check_lines(result, console))


def diff(first: StudyResult, second: StudyResult) -> str:
    """Two studies side by side."""
    return _printed(lambda console: diff_lines(first, second, console))


def studies(results: Sequence[StudyResult]) -> str:
    """A row per study."""
    return _printed(lambda console: studies_table([outline_of(each) for each in results], console))


def fleet(result: FleetResult) -> str:
    """A row per model."""
    return _printed(lambda console: fleet_table(result, console))


def doctor(findings: Sequence[Diagnosis]) -> str:
    """Each launch mode with what is there and what is missing."""
    return _printed(lambda console: doctor_table(findings, console))


def _printed(report: Callable[[Console], None]) -> str:
    console = wide_console()
    with console.capture() as captured:
        report(console)
    return captured.get()
