"""``autotune report``: a study as a document."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import typer

from autotune.errors import UsageError
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
        "File or directory to write, or '-'; report.html in the study's directory by default.",
        panel=Panel.OUTPUT,
        aliases=("-o",),
    )
    mlflow: str | None = option(
        None, "URI", "Log the study to this MLflow server instead of writing a file.", panel=Panel.OUTPUT
    )


REQUEST = _Report


def execute(request: _Report) -> None:
    """Writes the report, or logs it to MLflow."""
    from autotune import api

    if request.mlflow is not None:
        for flag, given in (("--output", request.output), ("--format", request.format)):
            if given is not None:
                raise UsageError(f"{flag}: writes a file, --mlflow logs to a server; drop one of them")
        experiment = api.log_study(request.mlflow, request.study, results=request.results, storage=request.storage)
        typer.echo(f"logged to experiment {experiment}")
        return
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
