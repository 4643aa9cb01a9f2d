"""The summary of a study: what was tried, what won, what it is worth."""

from __future__ import annotations

import textwrap

from rich.console import Console
from rich.table import Table
from rich.text import Text

from autotune.measurement import Infeasible, LimitKind
from autotune.objective import Objective, Value, format_duration
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.report._explanation import explanation_lines
from autotune.report._format import config_change, latency, mean_batch, outcome_style, rate, wide_console
from autotune.report._front import front_table
from autotune.report._headline import changes, headline, rounds
from autotune.report._measurement import measurement_lines
from autotune.report._reasons import batches_kept_small, limit, queue_size
from autotune.report._values import columns_beside, shown_by, shown_of, statistics_shown
from autotune.search import StudyResult
from autotune.store import TrialRecord

_WIDE = 100  # columns; below that the table leaves out what a verdict does not rest on
_MISSED_FAR = 100.0  # beyond that a percentage says nothing


def study_summary(result: StudyResult, console: Console | None = None) -> None:
    """Prints the trials, the verdict and where the exported config lies."""
    console = console or wide_console()
    console.print()
    console.print(_trials_table(result, narrow=console.width < _WIDE))
    console.print()
    if result.front:
        console.print(front_table(result))
        console.print()
    for line in verdict(result):
        for part in textwrap.wrap(line, _WIDE, subsequent_indent="  ", break_on_hyphens=False) or [""]:
            console.print(part, soft_wrap=True, highlight=False, markup=False)


def verdict(result: StudyResult) -> list[str]:
    """What a person takes away, the most important first, as lines of text."""
    if result.best is None:
        lines = nothing_feasible(result)
    else:
        lines = [*headline(result), *changes(result), *rounds(result)]
        if result.measured is not None:
            compared = result.finals is not None and result.finals.sustained is not None
            lines += measurement_lines(result.measured, headline=not compared)
    shown = result.best or result.nearest
    if shown is not None and shown.outcome.kept_apart is not None:
        lines.append(batches_kept_small(shown.outcome.kept_apart))
    lines += explanation_lines(result)
    if result.stopped:
        lines.append(stopped(result))
    if result.best is not None and result.config_path is not None:
        lines.append(f"Exported: {result.config_path}")
    lines.append(f"Database: {result.storage}")
    return lines


def stopped(result: StudyResult) -> str:
    """After what time a run stopped, how much of it followed the search, and why the search ended."""
    finals, rest_s = result.finals, result.seconds - result.search_s
    parts = [("final comparison", finals and finals.rounds), ("certificate", finals and finals.certificate)]
    names = " and ".join(name for name, part in parts if part)
    rest = f", {rest_s:.0f} s of them for the {names}" if names and rest_s >= 1 else ""
    return f"Stopped after {result.seconds:.0f} s{rest}: {result.stopped}."


def nothing_feasible(result: StudyResult) -> list[str]:
    """Why no config is delivered, and which came nearest."""
    if result.interrupted and not result.trials:
        return ["Interrupted before any trial was measured; repeat the command to start again."]
    if result.nearest is None:
        return [
            f"Nothing was measured for {result.objective}: no config was served and answered.",
            "The messages above and the server logs say why.",
        ]
    outcome = result.nearest.outcome
    seen = ", ".join(
        f"{name} {latency(value)}"
        for name, value in (outcome.measurement.latency_s if outcome.measurement else {}).items()
    )
    failed = sum(trial.outcome.failed for trial in result.trials)
    served = " that was measured" if failed else ""
    beside = f"; {failed} failed" if failed else ""
    return [
        f"No config{served} meets the SLO ({result.objective}){beside}.",
        f"Nearest: trial {result.nearest.number} ({result.nearest.label}): {missed(outcome)} ({seen}).",
    ]


def missed(outcome: TrialOutcome) -> str:
    """What an infeasible config missed: failed requests first, as no latency explains them."""
    measured = outcome.measurement
    decided = measured.decided_by if measured else None
    if decided is not None and decided.failed:
        kinds = ", ".join(decided.errors)
        words = decided.error_example
        if not words.startswith(kinds):  # the first error's words begin with its kind
            words = f"{kinds}: {words}" if words else kinds
        serving = measured.serving if measured else None
        full = queue_size(serving.queue_size, serving.queue_field) if serving and decided.refused else ""
        return f"{decided.failed / max(1, decided.requests):.1%} of requests failed ({words}){full}"
    if measured and measured.limited_by and measured.limited_by.kind is LimitKind.ERRORS:
        return limit(measured.limited_by)
    violated = {name: value for name, value in (measured.violations if measured else {}).items() if value > 0}
    said = ", ".join(
        f"{name} missed by {value:.0%}" if value < _MISSED_FAR else f"{name} missed" for name, value in violated.items()
    )
    disturbed = measured is not None and measured.infeasible is Infeasible.DISTURBED
    return f"undecided, the window was disturbed: {said}" if disturbed else said


def _trials_table(result: StudyResult, narrow: bool) -> Table:
    of_all = [] if result.objective.weights else ["p99"]
    statistics = statistics_shown(result.objective, of_all)
    beside = columns_beside(result.objective)
    table = Table(title=f"{result.study}: {result.objective}", title_justify="left", pad_edge=False, box=None)
    aside = () if narrow else ("mean batch", "start", "took")
    foreseen = not narrow and any(trial.outcome.forecast for trial in result.trials)
    predicted = ("predicted",) if foreseen else ()
    for name in ("trial", *predicted, "inferences/s", *statistics, *(name for name, _ in beside), *aside):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold", min_width=10, max_width=40)
    table.add_column("config", overflow="fold", min_width=12)
    for trial in result.trials:
        is_best = result.best is not None and trial.number == result.best.number
        row = _row(trial, statistics, [value for _, value in beside], is_best=is_best, narrow=narrow)
        if foreseen:
            row.insert(1, predicted_value(trial.outcome, result.objective))
        table.add_row(*row)
    return table


def _row(
    trial: TrialRecord, statistics: list[str], beside: list[Value], *, is_best: bool, narrow: bool
) -> list[str | Text]:
    outcome = trial.outcome
    measured = None if outcome.failed else outcome.measurement
    decided = measured.decided_by if measured else None
    style = "bold green" if is_best else ""
    aside = (
        mean_batch(decided) if decided else "-",
        format_duration(outcome.startup_s) if outcome.startup_s else "-",
        f"{outcome.seconds:.0f}s",
    )
    return [
        Text(f"{'*' if is_best else ''}{trial.number}", style=style),
        Text(measured_rate(outcome), style=style if outcome.feasible else "dim"),
        *(latency(measured.latency_s.get(statistic)) if measured else "-" for statistic in statistics),
        *(shown_of(measured, value) for value in beside),
        *(() if narrow else aside),
        Text(verdict_of(outcome), style=outcome_style(outcome.kind)),
        Text(config_change(outcome, trial.label), style=style),
    ]


def predicted_value(outcome: TrialOutcome, objective: Objective) -> str:
    """What was simulated before the trial ran; ``violates`` if it was predicted to violate the SLO."""
    forecast = outcome.forecast
    if forecast is None or not forecast.keeps:
        return "-" if forecast is None else "violates"
    return shown_by(objective.value)(forecast.simulated)


def measured_rate(outcome: TrialOutcome) -> str:
    """The rate found, or of the nearest miss; none where it is only known to be less than another's."""
    measured = outcome.measurement
    if measured is None or measured.decided_by is None or outcome.kind is OutcomeKind.PRUNED or outcome.failed:
        return "-"
    return rate(measured.rate_per_s if outcome.feasible else measured.decided_by.asked_per_s)


def verdict_of(outcome: TrialOutcome) -> str:
    """How a trial ended: that it meets the SLO, what it missed, or why it failed."""
    if outcome.message:
        return f"{outcome.kind.value}: {outcome.message}"
    measured = outcome.measurement
    if outcome.kind is OutcomeKind.PRUNED and measured and measured.beaten_by_per_s is not None:
        return f"pruned: below {rate(measured.beaten_by_per_s)}"
    if outcome.kind is OutcomeKind.INFEASIBLE and measured and measured.violations:
        return missed(outcome)
    return "meets the SLO" if outcome.feasible else outcome.kind.value
