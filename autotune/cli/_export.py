"""``autotune export``: a trial's config, or all its models as a repository to deploy."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import typer

from autotune.errors import UsageError
from autotune.request import AT_LEAST_ZERO, Panel, ServerRequest, StoreRequest, option, option_of


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
    to: str | None = option(None, "DIR", "New directory for a complete repository of all models.", panel=Panel.OUTPUT)
    format: Sequence[str] = option(
        (),
        "compose|kubernetes|kserve|helm-values",
        "Deployment file to write into --to; may be repeated.",
        panel=Panel.OUTPUT,
    )
    no_check: bool = option(
        False, "", "Skip the start of Triton that checks the repository of --to.", panel=Panel.OUTPUT
    )
    model_repository: str | None = option(
        None, "DIR", "Repository to copy the models from; the study's by default.", panel=Panel.MODEL
    )
    launch: str = option_of(ServerRequest, "launch")
    image: str | None = option(
        None, "REF", "Image in the deployment files; the study's or NVIDIA's by default.", panel=Panel.SERVER
    )


REQUEST = _Export


def execute(request: _Export) -> None:
    """Writes the config or the repository."""
    from autotune import api

    if request.to is not None:
        _export_repository(request, request.to)
        return
    only_repositories = {
        "--format": request.format,
        "--no-check": request.no_check,
        "--model-repository": request.model_repository,
        "--image": request.image,
        "--launch": "launch" in request.given,
    }
    if needless := [flag for flag, given in only_repositories.items() if given]:
        raise UsageError(f"{needless[0]}: has no effect without --to; add --to DIR")
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


def _export_repository(request: _Export, directory: str) -> None:
    from autotune import api

    if request.output is not None:
        raise UsageError("--output: is for a config, --to for a repository; drop one of them")
    exported = api.export_repository(
        directory,
        study=request.study,
        trial=request.trial,
        model_repository=request.model_repository,
        formats=request.format,
        image=request.image,
        launch=None if request.no_check else request.launch,
        results=request.results,
        storage=request.storage,
    )
    for note in exported.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"wrote {exported.path}: {', '.join(exported.models)}")
    for file in exported.files:
        typer.echo(f"wrote {file}")
    typer.echo(f"checked, it loads: {exported.loaded}" if exported.loaded else "not checked, because of --no-check")
    typer.echo(f"serve it:\n{exported.command}")
