"""``autotune export``: a trial's config, ready to copy."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from autotune.cli import _options as options
from autotune.cli._options import Panel, option


def export(
    study: Annotated[
        str | None, typer.Argument(metavar="STUDY", help="The study; may be left out where there is one.")
    ] = None,
    trial: Annotated[
        int | None, option("--trial", "N", "Export this trial instead of the best.", panel=Panel.OUTPUT, min=0)
    ] = None,
    output: Annotated[
        Path | None,
        option(
            "--output",
            "PATH",
            "File or directory to write, or '-'; best/ in the study's results otherwise.",
            "-o",
            panel=Panel.OUTPUT,
        ),
    ] = None,
    results: options.Results = Path("results"),
    storage: options.Storage = None,
    config: options.ConfigFile = None,
) -> None:
    """Write the config.pbtxt of a study's best trial, with a header that says how it was found."""
    from autotune import api

    text, path = api.export(study=study, trial=trial, output=output, results=results, storage=storage)
    if path is None:
        sys.stdout.write(text)
    else:
        typer.echo(f"wrote {path}")
