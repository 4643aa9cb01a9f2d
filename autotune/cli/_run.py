"""``autotune run``: the main job."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import typer

from autotune.cli._exit_codes import SLO_VIOLATED_EXIT_CODE, UNDECIDED_EXIT_CODE
from autotune.cli._printed import Printed
from autotune.request import RunRequest


@dataclass(frozen=True, kw_only=True)
class _Run(Printed, RunRequest):
    """A study, and how its result is printed."""


REQUEST = _Run


def execute(request: _Run) -> None:
    """Tunes, prints the result and sets the exit code."""
    from autotune import api
    from autotune.cli._progress import follow

    output, how = request.output(), request.following()
    with follow(how) as observer:
        result = api.run_study(request, observer)
    sys.stdout.write(output.study(result))
    if result.interrupted:
        raise KeyboardInterrupt
    if result.broken:
        raise typer.Exit(UNDECIDED_EXIT_CODE)
    if result.best is None:
        raise typer.Exit(SLO_VIOLATED_EXIT_CODE if result.nearest else UNDECIDED_EXIT_CODE)
