"""``autotune compare``: given configs, measured in turns."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import typer

from autotune.cli._exit_codes import SLO_VIOLATED_EXIT_CODE, UNDECIDED_EXIT_CODE
from autotune.cli._printed import Printed
from autotune.request import CompareRequest


@dataclass(frozen=True, kw_only=True)
class _Compare(Printed, CompareRequest):
    """A comparison, and how its result is printed."""


REQUEST = _Compare


def execute(request: _Compare) -> None:
    """Compares, prints the result and sets the exit code."""
    from autotune import api
    from autotune.cli._progress import follow
    from autotune.search.comparison import Out, rank

    output, how = request.output(), request.following()
    with follow(how) as observer:
        result = api.run_comparison(request, observer)
    sys.stdout.write(output.comparison(result))
    if result.interrupted:
        raise KeyboardInterrupt
    ranking = rank(result)
    if ranking.fastest is None:
        violated = any(each.out is not None and each.out.out is Out.VIOLATED for each in ranking.out)
        raise typer.Exit(SLO_VIOLATED_EXIT_CODE if violated else UNDECIDED_EXIT_CODE)
    if ranking.undecided and not (ranking.ties or ranking.slower):
        raise typer.Exit(UNDECIDED_EXIT_CODE)
