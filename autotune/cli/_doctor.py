"""``autotune doctor``: what is here, and what each launch mode is missing."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from autotune.cli._printed import Printed
from autotune.request import ModelRequest, ServerRequest, option_of


@dataclass(frozen=True, kw_only=True)
class _Doctor(Printed):
    """The servers of the launch modes, and the output format."""

    model_repository: str = option_of(ModelRequest, "model_repository")
    image: str | None = option_of(ServerRequest, "image")
    triton_path: str | None = option_of(ServerRequest, "triton_path")
    url: str | None = option_of(ServerRequest, "url")


REQUEST = _Doctor


def execute(request: _Doctor) -> None:
    """Prints what was found."""
    from autotune import api

    output = request.output()
    findings = api.doctor(
        model_repository=request.model_repository,
        image=request.image,
        triton_path=request.triton_path,
        url=request.url,
    )
    sys.stdout.write(output.doctor(findings))
