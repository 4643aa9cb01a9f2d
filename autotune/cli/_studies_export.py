"""``autotune studies export``: a study as a table for other programs."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import typer

from autotune.request import Panel, StoreRequest, option


@dataclass(frozen=True, kw_only=True)
class _StudiesExport(StoreRequest):
    """A study, and how its data are written."""

    study: str | None = option(
        None, "STUDY", "The study; not needed if there is only one.", panel=Panel.OUTPUT, argument=True
    )
    format: str = option("csv", "csv|parquet|json|model-analyzer", "Format of the data.", panel=Panel.OUTPUT)
    rows: str = option("trials", "trials|windows", "What a row is: a trial, or a window.", panel=Panel.OUTPUT)
    output: str | None = option(
        None, "FILE", "File to write; standard output by default.", panel=Panel.OUTPUT, aliases=("-o",)
    )


REQUEST = _StudiesExport


def execute(request: _StudiesExport) -> None:
    """Writes the data."""
    from autotune import api

    content, path = api.export_study(
        study=request.study,
        format=request.format,
        rows=request.rows,
        output=request.output,
        results=request.results,
        storage=request.storage,
    )
    if path is None:
        sys.stdout.write(content.decode())
    else:
        typer.echo(f"wrote {path}")
