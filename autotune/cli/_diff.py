"""``autotune studies diff``: two studies side by side."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from autotune.cli._printed import Printed
from autotune.request import Panel, StoreRequest, option


@dataclass(frozen=True, kw_only=True)
class _Diff(Printed, StoreRequest):
    """Two studies, and how their differences are printed."""

    first: str | None = option(None, "A", "The first study.", panel=Panel.OUTPUT, argument=True)
    second: str | None = option(None, "B", "The second study.", panel=Panel.OUTPUT, argument=True)
    other_results: str | None = option(
        None, "DIR", "Results directory of the second study, if it is another one.", panel=Panel.OUTPUT
    )


REQUEST = _Diff


def execute(request: _Diff) -> None:
    """Prints what differs between the studies."""
    from autotune import api

    output = request.output()
    first, second = api.find_studies(
        request.first,
        request.second,
        results=request.results,
        storage=request.storage,
        other_results=request.other_results,
    )
    sys.stdout.write(output.diff(first, second))
