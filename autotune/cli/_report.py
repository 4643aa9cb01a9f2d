"""``autotune report``: a study as a document."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import typer

from autotune.request import Panel, StoreRequest, option


@dataclass(frozen=True, kw_only=True)
class _Report(StoreRequest):
    """A study, and the file that its report goes to."""

    study: str | None = option(
        None, "STUDY", "The study; not needed if there is only one.", panel=Panel.OUTPUT, argument=True
    )
    format: str | None = option(
        None, "html|markdown|json", "Format; by the suffix of --output, else html.", panel=Panel.OUTPUT
    )
    output: str | None = option(
        None,
        "PATH",
        "File or directory to write, or '-'; DIR/STUDY/report.html by default.",
        panel=Panel.OUTPUT,
        aliases=("-o",),
    )


REQUEST = _Report


def execute(request: _Report) -> None:
    """Writes the report."""
    from autotune import api

    text, path = api.report(
        study=request.study,
        format=request.format,
        output=request.output,
        results=request.results,
        storage=request.storage,
    )
    if path is None:
        sys.stdout.write(text)
    else:
        typer.echo(f"wrote {path}")
