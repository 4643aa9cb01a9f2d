"""The summary of a study: what was tried, what won, what it is worth."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from autotune.objective import Objective, format_duration
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.report._format import config_change, latency, rate, wide_console
from autotune.search import PROPOSED, StudyResult, score
from autotune.store import TrialRecord

_STYLE = {
    OutcomeKind.FEASIBLE: "green",
    OutcomeKind.INFEASIBLE: "yellow",
}
_MISSED_FAR = 100.0  # beyond that a percentage says nothing


def study_summary(result: StudyResult, console: Console | None = None) -> None:
    """Prints the trials, the verdict and where the exported config lies."""
    console = console or wide_console()
    console.print()
    console.print(_trials_table(result))
    for line in verdict(result):
        console.print(line, soft_wrap=True, highlight=False)


def verdict(result: StudyResult) -> list[str]:
    """What a person takes away, as lines of text."""
    objective = result.objective
    lines = [f"Stopped: {result.stopped} ({result.seconds:.0f} s)."] if result.stopped else []
    if result.best is None:
        lines += _nothing_feasible(result)
    else:
        best = result.best
        lines.append(f"Best: trial {best.number} ({best.label}), {_value(best.outcome, objective)}{_against(result)}.")
        lines.append(f"Config: {config_change(best.outcome)}.")
        if result.config_path is not None:
            lines.append(f"Exported: {result.config_path}")
    lines.append(f"Database: {result.storage}")
    return lines


def _nothing_feasible(result: StudyResult) -> list[str]:
    lines = [f"No config keeps the promise ({result.objective})."]
    if result.nearest is None:
        lines.append("No trial got as far as being measured; see the messages above and the logs.")
        return lines
    measured = result.nearest.outcome.measurement
    missed = {name: value for name, value in (measured.violations if measured else {}).items() if value > 0}
    misses = ", ".join(f"{name} missed by {value:.0%}" for name, value in missed.items())
    seen = ", ".join(f"{name} {latency(value)}" for name, value in (measured.latency_s if measured else {}).items())
    lines.append(f"Nearest: trial {result.nearest.number} ({result.nearest.label}): {misses} ({seen}).")
    return lines


def _against(result: StudyResult) -> str:
    """How the best compares with the person's own config, where both were measured."""
    if result.baseline is None or result.best is None:
        return ""
    if result.best.number == result.baseline.number:
        return "; no config that was tried beats it"
    gain = result.gain
    if gain is None:
        return "; your config does not keep the promise"
    own = _value(result.baseline.outcome, result.objective)
    return f"; {gain:.2f} times your config's {own}"


def _value(outcome: TrialOutcome, objective: Objective) -> str:
    value = score(outcome, objective)
    return f"{rate(value)} inferences/s" if objective.maximise else f"{objective.optimised_statistic} {latency(value)}"


def _trials_table(result: StudyResult) -> Table:
    statistics = list(dict.fromkeys([*(ceiling.statistic for ceiling in result.objective.ceilings), "p99"]))
    table = Table(title=f"{result.study}: {result.objective}", title_justify="left", pad_edge=False, box=None)
    for name in ("trial", "inferences/s", *statistics, "mean batch", "start", "took"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold", max_width=40)
    table.add_column("config", overflow="fold")
    for trial in result.trials:
        table.add_row(*_row(trial, statistics, is_best=result.best is not None and trial.number == result.best.number))
    return table


def _row(trial: TrialRecord, statistics: list[str], is_best: bool) -> list[str | Text]:
    outcome = trial.outcome
    measured = outcome.measurement
    decided = measured.decided_by if measured else None
    style = "bold green" if is_best else ""
    known = "" if trial.label == PROPOSED else f"{trial.label}: "
    return [
        Text(f"{'*' if is_best else ''}{trial.number}", style=style),
        Text(rate(decided.offered_per_s) if decided else "-", style=style if outcome.feasible else "dim"),
        *(latency(measured.latency_s.get(statistic)) if measured else "-" for statistic in statistics),
        f"{decided.server.mean_batch_size:.1f}" if decided else "-",
        format_duration(outcome.startup_s) if outcome.startup_s else "-",
        f"{outcome.seconds:.0f}s",
        Text(_verdict_of(outcome), style=_STYLE.get(outcome.kind, "red")),
        Text(f"{known}{config_change(outcome)}", style=style),
    ]


def _verdict_of(outcome: TrialOutcome) -> str:
    if outcome.message:
        return f"{outcome.kind.value}: {outcome.message}"
    measured = outcome.measurement
    if outcome.kind is OutcomeKind.INFEASIBLE and measured and measured.violations:
        name, value = max(measured.violations.items(), key=lambda item: item[1])
        return f"{name} missed by {value:.0%}" if value < _MISSED_FAR else f"{name} missed"
    return "kept" if outcome.feasible else outcome.kind.value
