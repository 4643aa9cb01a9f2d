"""A measurement as a Markdown table with the columns of Triton's performance reports, in milliseconds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from autotune.report._load_columns import LoadTable, load_table

if TYPE_CHECKING:
    from autotune.measurement import SweepResult


def sweep(result: SweepResult) -> str:
    """A row for each window; ``-`` where nothing was answered, ``lost`` where requests never were."""
    return markdown_lines(load_table(result))


def markdown_lines(table: LoadTable) -> str:
    """A table as Markdown, its columns aligned."""
    cells = [list(table.columns), *([_cell(value) for value in row] for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [_line([cell.rjust(width) for cell, width in zip(row, widths, strict=True)]) for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|")
    return "".join(f"{line}\n" for line in lines)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: float | str) -> str:
    if isinstance(value, str):
        return value.replace("|", r"\|")
    if isinstance(value, int):
        return str(value)
    if math.isnan(value):
        return "-"
    return "lost" if math.isinf(value) else f"{value:.2f}"
