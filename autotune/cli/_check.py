"""``autotune check``: the repository's config beside a recorded one, for pull requests."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import typer

from autotune.cli._exit_codes import SLO_VIOLATED_EXIT_CODE, SLOWER_EXIT_CODE, UNDECIDED_EXIT_CODE
from autotune.cli._printed import Printed
from autotune.request import CheckRequest


@dataclass(frozen=True, kw_only=True)
class _Check(Printed, CheckRequest):
    """A check, and how its result is printed."""


REQUEST = _Check


def execute(request: _Check) -> None:
    """Checks, prints the result and sets the exit code."""
    from autotune import api
    from autotune.cli._progress import follow
    from autotune.search.comparison import Gate

    output, how = request.output(), request.following()
    with follow(how) as observer:
        result = api.run_check(request, observer)
    sys.stdout.write(output.check(result))
    if result.comparison.interrupted:
        raise KeyboardInterrupt
    codes = {
        Gate.SLOWER: SLOWER_EXIT_CODE,
        Gate.VIOLATED: SLO_VIOLATED_EXIT_CODE,
        Gate.NOT_SERVED: UNDECIDED_EXIT_CODE,
        Gate.UNDECIDED: UNDECIDED_EXIT_CODE,
    }
    if result.gate in codes:
        raise typer.Exit(codes[result.gate])
