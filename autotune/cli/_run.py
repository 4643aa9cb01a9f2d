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
    if request.several():
        _execute_fleet(request)
        return

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


def _execute_fleet(request: _Run) -> None:
    """The same for several studies: 1 if one could not be made, else 3 if no config of one meets the SLO."""
    from autotune import api
    from autotune.cli._progress import follow

    output, how = request.output(), request.following()
    with follow(how) as observer:
        fleet = api.run_fleet(request, observer)
    sys.stdout.write(output.fleet(fleet))
    if fleet.interrupted:
        raise KeyboardInterrupt
    results = [each.result for each in fleet.models]
    if any(result is None or result.broken for result in results):
        raise typer.Exit(UNDECIDED_EXIT_CODE)
    if any(result is not None and result.best is None for result in results):
        raise typer.Exit(SLO_VIOLATED_EXIT_CODE)
