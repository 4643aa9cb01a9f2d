"""Optuna's dashboard on a study database, with what the database knows beyond Optuna's tables.

Notes, artifacts and values are made from our tables when they are asked for (`_shown`, `_storage`): what samplers learn
from does not change, and databases of earlier versions show the same.
"""

from autotune.report.dashboard._serve import dashboard_application, serve_dashboard

__all__ = ["dashboard_application", "serve_dashboard"]
