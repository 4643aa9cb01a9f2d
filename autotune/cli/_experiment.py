"""``autotune experiment``: the variants of a file, measured in turns, with a table, a verdict and a report."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import typer

from autotune.cli._exit_codes import UNDECIDED_EXIT_CODE
from autotune.cli._printed import Printed
from autotune.request import ExperimentRequest, Panel, option


@dataclass(frozen=True, kw_only=True)
class _Experiment(Printed, ExperimentRequest):
    """An experiment, and how its result is printed."""

    format: str = option(
        "text",
        "text|table|lines|perf_analyzer|markdown|csv|json",
        "Format on standard output; text is what the file's 'print' asks for.",
        panel=Panel.OUTPUT,
    )


REQUEST = _Experiment


def execute(request: _Experiment) -> None:
    """Measures, prints the result and writes its files."""
    from autotune import api
    from autotune.cli._progress import follow
    from autotune.errors import UsageError
    from autotune.report.experiment import EXPERIMENT_FORMATS, print_experiment

    file, how = request.read(), request.following()
    chosen = "json" if request.json else request.format
    formats = file.printed if chosen == "text" else (chosen,)
    if chosen not in ("text", *EXPERIMENT_FORMATS):
        raise UsageError(f"--format: {chosen!r} is unknown; use text, {', '.join(EXPERIMENT_FORMATS)}")
    with follow(how) as observer:
        result = api.run_experiment(request, observer)
        report = api.write_experiment(result, request)
        observer.note(f"wrote {report} with its plots, and results.csv beside it")
    sys.stdout.write(print_experiment(result, formats, file.columns))
    if result.interrupted:
        raise KeyboardInterrupt
    if not any(each.rounds for each in result.entrants):
        raise typer.Exit(UNDECIDED_EXIT_CODE)
