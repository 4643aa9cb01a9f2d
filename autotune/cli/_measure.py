"""``autotune measure``: one config under one load or a sweep of loads."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from autotune.cli._printed import Printed
from autotune.request import MeasureRequest


@dataclass(frozen=True, kw_only=True)
class _Measure(Printed, MeasureRequest):
    """A measurement, and how its result is printed."""


REQUEST = _Measure


def execute(request: _Measure) -> None:
    """Measures and prints the result."""
    from autotune import api
    from autotune.cli._progress import follow

    output = request.output()
    with follow(quiet=request.quiet) as observer:
        result = api.run_measurement(request, observer)
    sys.stdout.write(output.sweep(result))
