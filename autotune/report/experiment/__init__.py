"""Experiments as text, tables and a Markdown report with plots."""

from autotune.report.experiment._files import write_files
from autotune.report.experiment._formats import EXPERIMENT_FORMATS, check_printed, print_experiment
from autotune.report.experiment._verdict import verdict_of

__all__ = ["EXPERIMENT_FORMATS", "check_printed", "print_experiment", "verdict_of", "write_files"]
