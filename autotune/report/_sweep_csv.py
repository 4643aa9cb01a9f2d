"""A measurement as CSV with the columns of Triton's performance reports, in milliseconds."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING

from autotune.report._load_columns import LoadTable, load_table

if TYPE_CHECKING:
    from autotune.measurement import SweepResult


def sweep(result: SweepResult) -> str:
    """A line for each window, to the microsecond; cells are empty where requests were not answered."""
    return csv_lines(load_table(result))


def csv_lines(table: LoadTable) -> str:
    """A table as CSV."""
    written = io.StringIO()
    lines = csv.writer(written, lineterminator="\n")
    lines.writerow(table.columns)
    lines.writerows([_cell(value) for value in row] for row in table.rows)
    return written.getvalue()


def _cell(value: float | str) -> float | str:
    if isinstance(value, float):
        return round(value, 3) if math.isfinite(value) else ""
    return value
