"""``autotune studies list``: every study of a database."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from autotune.cli._printed import Printed
from autotune.errors import AutotuneError
from autotune.request import StoreRequest


@dataclass(frozen=True, kw_only=True)
class _List(Printed, StoreRequest):
    """A database, and how its studies are printed."""


REQUEST = _List


def execute(request: _List) -> None:
    """Prints the studies: all that is known of them as JSON, a line each as text."""
    from autotune import api
    from autotune.report import find_format, outlines_text

    output, results, storage = request.output(), request.results, request.storage
    damaged: list[AutotuneError] = []
    if output is find_format("text"):
        lines = api.outline_studies(results=results, storage=storage, on_damaged=damaged.append)
        sys.stdout.write(outlines_text(lines))
    else:
        found = api.list_studies(results=results, storage=storage, on_damaged=damaged.append)
        sys.stdout.write(output.studies(found))
    if damaged:
        raise AutotuneError("; ".join(map(str, damaged)))
