"""``autotune export``: a trial's config, ready to copy."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import typer

from autotune.request import AT_LEAST_ZERO, Panel, StoreRequest, option


@dataclass(frozen=True, kw_only=True)
class _Export(StoreRequest):
    """A trial to export, and its destination."""

    study: str | None = option(
        None, "STUDY", "The study; not needed if there is only one.", panel=Panel.OUTPUT, argument=True
    )
    trial: int | None = option(
        None, "N", "Export this trial instead of the best.", panel=Panel.OUTPUT, allowed=AT_LEAST_ZERO
    )
    output: str | None = option(
        None,
        "PATH",
        "File or directory to write, or '-'; the study's best/ by default.",
        panel=Panel.OUTPUT,
        aliases=("-o",),
    )


REQUEST = _Export


def execute(request: _Export) -> None:
    """Writes the config."""
    from autotune import api

    text, path = api.export(
        study=request.study,
        trial=request.trial,
        output=request.output,
        results=request.results,
        storage=request.storage,
    )
    if path is None:
        sys.stdout.write(text)
    else:
        typer.echo(f"wrote {path}")
