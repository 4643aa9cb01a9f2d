"""``autotune studies show``: one study."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from autotune.cli._printed import Printed
from autotune.request import Panel, StoreRequest, option


@dataclass(frozen=True, kw_only=True)
class _Show(Printed, StoreRequest):
    """A study of a database, and how it is printed."""

    study: str | None = option(
        None, "STUDY", "The study; not needed if there is only one.", panel=Panel.OUTPUT, argument=True
    )


REQUEST = _Show


def execute(request: _Show) -> None:
    """Prints the study."""
    from autotune import api

    output = request.output()
    result = api.find_study(request.study, results=request.results, storage=request.storage)
    sys.stdout.write(output.study(result))
