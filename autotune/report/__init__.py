"""Results for people and scripts: tables, JSON, exported configs."""

from autotune.report._data import DATA_FORMATS, ROWS, check_data_options, export_data
from autotune.report._export import export_best, export_trial
from autotune.report._format import config_change, describe_candidate, latency, load_label, outcome_style, rate
from autotune.report._formats import FORMATS, SWEEP_FORMATS, Format, find_format, find_sweep_format
from autotune.report._json import comparison as comparison_json
from autotune.report._junit import junit_xml
from autotune.report._measurement import claim
from autotune.report._purposes import PURPOSES
from autotune.report._summary import study_summary, verdict
from autotune.report._sweep import sweep_table
from autotune.report._text import outlines as outlines_text
from autotune.report._values import columns_beside, shown_of

__all__ = [
    "DATA_FORMATS",
    "FORMATS",
    "PURPOSES",
    "ROWS",
    "SWEEP_FORMATS",
    "Format",
    "check_data_options",
    "claim",
    "columns_beside",
    "comparison_json",
    "config_change",
    "describe_candidate",
    "export_best",
    "export_data",
    "export_trial",
    "find_format",
    "find_sweep_format",
    "junit_xml",
    "latency",
    "load_label",
    "outcome_style",
    "outlines_text",
    "rate",
    "shown_of",
    "study_summary",
    "sweep_table",
    "verdict",
]
