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
    from autotune.report import studies_table

    results, storage = request.results, request.storage
    damaged: list[AutotuneError] = []
    if request.as_text:
        studies_table(api.outline_studies(results=results, storage=storage, on_damaged=damaged.append))
    else:
        output = request.output()
        found = api.list_studies(results=results, storage=storage, on_damaged=damaged.append)
        sys.stdout.write(output.studies(found))
    if damaged:
        raise AutotuneError("; ".join(map(str, damaged)))
