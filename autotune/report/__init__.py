"""Results for people and scripts: tables, JSON, exported configs, the dashboard."""

from autotune.report._dashboard import serve_dashboard
from autotune.report._doctor import doctor_table
from autotune.report._export import export_best, export_trial
from autotune.report._format import config_change, describe_candidate, latency, load_label, outcome_style, rate
from autotune.report._json import doctor_json, result_json, studies_json, sweep_json
from autotune.report._measurement import claim
from autotune.report._studies import studies_table
from autotune.report._summary import study_summary, verdict
from autotune.report._sweep import sweep_table

__all__ = [
    "claim",
    "config_change",
    "describe_candidate",
    "doctor_json",
    "doctor_table",
    "export_best",
    "export_trial",
    "latency",
    "load_label",
    "outcome_style",
    "rate",
    "result_json",
    "serve_dashboard",
    "studies_json",
    "studies_table",
    "study_summary",
    "sweep_json",
    "sweep_table",
    "verdict",
]
