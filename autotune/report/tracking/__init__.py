"""Studies in experiment trackers. A new tracker is a file here with a check and a function that logs."""

from autotune.report.tracking._mlflow import check_mlflow, log_to_mlflow

__all__ = ["check_mlflow", "log_to_mlflow"]
