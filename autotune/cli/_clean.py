"""``autotune clean``: removes what killed runs left."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import typer

from autotune.request import Panel, Request, StoreRequest, option, option_of


@dataclass(frozen=True, kw_only=True)
class _Clean(Request):
    """Where to look, and whether to remove."""

    results: str | Path = option_of(StoreRequest, "results")
    dry_run: bool = option(False, "", "Only list what would be removed.", panel=Panel.OUTPUT)


REQUEST = _Clean


def execute(request: _Clean) -> None:
    """Removes and prints each leftover."""
    from autotune import api

    found = api.clean(results=request.results, dry_run=request.dry_run)
    for each in found:
        typer.echo(f"{'found' if request.dry_run else 'removed'} {each.kind} {each.name}")
    if not found:
        typer.echo("Nothing is left of earlier runs.")
