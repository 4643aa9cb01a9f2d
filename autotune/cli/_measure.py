"""``autotune measure``: one config under one load or a sweep of loads."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import typer

from autotune.cli._exit_codes import SLO_VIOLATED_EXIT_CODE, UNDECIDED_EXIT_CODE
from autotune.cli._printed import Printed
from autotune.request import MeasureRequest, Panel, option


@dataclass(frozen=True, kw_only=True)
class _Measure(Printed, MeasureRequest):
    """A measurement, and how its result is printed."""

    format: str = option(
        "text",
        "text|json|markdown|csv|perf_analyzer|lines",
        "Format on standard output; markdown and csv are tables in milliseconds.",
        panel=Panel.OUTPUT,
    )


REQUEST = _Measure


def execute(request: _Measure) -> None:
    """Measures, prints the result and sets the exit code."""
    from autotune import api
    from autotune.cli._progress import follow
    from autotune.measurement import Slo
    from autotune.report import find_sweep_format

    written, how = find_sweep_format("json" if request.json else request.format), request.following()
    with follow(how) as observer:
        result = api.run_measurement(request, observer)
    sys.stdout.write(written(result))
    if result.interrupted:
        raise KeyboardInterrupt
    if result.slo is Slo.UNDECIDED or not result.answered:
        raise typer.Exit(UNDECIDED_EXIT_CODE)
    if result.slo is Slo.VIOLATED:
        raise typer.Exit(SLO_VIOLATED_EXIT_CODE)
