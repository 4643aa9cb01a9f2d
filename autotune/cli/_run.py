"""``autotune run``: the main job."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import typer

from autotune.cli._printed import Printed
from autotune.request import RunRequest

NOTHING_MEASURED_EXIT_CODE = 1
BROKEN_EXIT_CODE = 1
NOTHING_FEASIBLE_EXIT_CODE = 3


@dataclass(frozen=True, kw_only=True)
class _Run(Printed, RunRequest):
    """A study, and how its result is printed."""


REQUEST = _Run


def execute(request: _Run) -> None:
    """Tunes, prints the result and sets the exit code."""
    from autotune import api
    from autotune.cli._progress import follow

    output = request.output()
    with follow(quiet=request.quiet) as observer:
        result = api.run_study(request, observer)
    sys.stdout.write(output.study(result))
    if result.interrupted:
        raise KeyboardInterrupt
    if result.broken:
        raise typer.Exit(BROKEN_EXIT_CODE)
    if result.best is None:
        raise typer.Exit(NOTHING_FEASIBLE_EXIT_CODE if result.nearest else NOTHING_MEASURED_EXIT_CODE)
