"""``autotune studies``: what was tuned so far."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from autotune.cli import _options as options
from autotune.cli._command import EPILOG, Command

app = typer.Typer(help="List the studies of a database, or show one.", no_args_is_help=True)


@app.command("list", cls=Command, epilog=EPILOG)
def list_studies(
    results: options.Results = Path("results"),
    storage: options.Storage = None,
    json: options.Json = False,
    config: options.ConfigFile = None,
) -> None:
    """List every study with its objective, trials and best value."""
    from autotune import api
    from autotune.report import studies_json, studies_table

    found = api.list_studies(results=results, storage=storage)
    if json:
        sys.stdout.write(studies_json(found) + "\n")
    else:
        studies_table(found)


@app.command("show", cls=Command, epilog=EPILOG)
def show(
    study: Annotated[
        str | None, typer.Argument(metavar="STUDY", help="The study; may be left out where there is one.")
    ] = None,
    results: options.Results = Path("results"),
    storage: options.Storage = None,
    json: options.Json = False,
    config: options.ConfigFile = None,
) -> None:
    """Show every trial of a study and its best config."""
    from autotune import api
    from autotune.report import result_json, study_summary

    result = api.find_study(study, results=results, storage=storage)
    if json:
        sys.stdout.write(result_json(result) + "\n")
    else:
        study_summary(result)
