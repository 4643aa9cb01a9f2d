"""Every trial in a table, and the failures in Triton's words."""

from __future__ import annotations

from autotune.measurement import breakdown, value_of
from autotune.objective import format_duration
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.report._format import config_change, latency, mean_batch
from autotune.report._summary import measured_rate, predicted_value, verdict_of
from autotune.report._values import columns_beside, memory, shown_of, statistics_shown
from autotune.report.document._blocks import Block, Cell, CellStyle, Column, Paragraph, Section, Table
from autotune.report.document._source import Source
from autotune.search import StudyResult
from autotune.store import TrialRecord

_STYLES: dict[OutcomeKind, CellStyle] = {
    OutcomeKind.FEASIBLE: "good",
    OutcomeKind.INFEASIBLE: "warning",
    OutcomeKind.PRUNED: "quiet",
}
_LONGEST = 60  # characters of a verdict
_FIRST = 12  # trial numbers that a group of failures names


def trials(source: Source) -> Section | None:
    """A row for each trial."""
    result = source.result
    if not result.trials:
        return None
    statistics = statistics_shown(result.objective, ("p50", "p99"))
    statistics.sort(key=lambda name: (name == "avg", name))
    foreseen = any(trial.outcome.forecast for trial in result.trials)
    names = ["trial", *(["predicted"] if foreseen else []), "inferences/s", *statistics]
    beside = columns_beside(result.objective)
    named = [name for name, _ in beside]
    names += [*named, "mean batch", "in queue", *([] if "memory" in named else ["memory"]), "took"]
    columns = (*(Column(name, numeric=True) for name in names), Column("verdict"), Column("config"))
    best = result.best.number if result.best is not None else None
    highlighted = next((index for index, trial in enumerate(result.trials) if trial.number == best), None)
    rows = tuple(_row(trial, result, statistics, foreseen=foreseen) for trial in result.trials)
    return Section("trials", "Trials", (Table("trials", columns, rows, interactive=True, highlighted=highlighted),))


def failures(source: Source) -> Section | None:
    """What went wrong, in the server's words; trials that failed alike together."""
    failed = [each for each in (*source.result.trials, *source.runs) if each.outcome.failed]
    if not failed:
        return None
    alike: dict[tuple[OutcomeKind, str], list[TrialRecord]] = {}
    for each in failed:
        alike.setdefault((each.outcome.kind, each.outcome.message), []).append(each)
    columns = (Column("trials"), Column("outcome"), Column("message of Triton"), Column("config"))
    rows = tuple(
        (
            Cell(_numbers(group)),
            Cell(kind.value, style="bad"),
            Cell(message or "no message"),
            Cell(config_change(group[0].outcome, group[0].label) + (", and others" if len(group) > 1 else "")),
        )
        for (kind, message), group in sorted(alike.items(), key=lambda item: -len(item[1]))
    )
    total = len(source.result.trials)
    count = sum(each.role == "trial" for each in failed)
    share = (
        f"{count} of {total} trials failed"
        if count
        else "No trial failed, but a round of the final comparison or the certificate did"
    )
    kinds = len(alike)
    blocks: list[Block] = [
        Paragraph(f"{share}{f', in {kinds} different ways' if kinds > 1 else ''}."),
        Table("failures", columns, rows),
    ]
    logs = [each.outcome.log_path for each in failed if each.outcome.log_path is not None]
    if logs:
        blocks.append(Paragraph(f"The log of the first failure: {logs[0]}"))
    return Section("failures", "Failures", tuple(blocks))


def _numbers(group: list[TrialRecord]) -> str:
    numbers = [str(each.number) if each.number is not None else each.role for each in group]
    more = f" and {len(numbers) - _FIRST} more" if len(numbers) > _FIRST else ""
    return ", ".join(numbers[:_FIRST]) + more


def _row(trial: TrialRecord, result: StudyResult, statistics: list[str], *, foreseen: bool) -> tuple[Cell, ...]:
    outcome, objective = trial.outcome, result.objective
    measured = None if outcome.failed else outcome.measurement
    decided = measured.decided_by if measured else None
    number = trial.number if trial.number is not None else -1
    cells = [Cell(str(number), number)]
    if foreseen:
        forecast = outcome.forecast.simulated if outcome.forecast and outcome.forecast.keeps else None
        cells.append(Cell(predicted_value(outcome, objective), forecast))
    cells.append(Cell(measured_rate(outcome), _rate_value(outcome)))
    for name in statistics:
        seen = measured.latency_s.get(name) if measured else None
        cells.append(Cell(latency(seen), seen))
    parts = breakdown(decided) if decided else None
    total_s = decided.client.total_s if decided and decided.client else 0.0
    share = parts.queue_s / total_s if parts and total_s else None
    used = decided.usage.memory_bytes if decided and decided.usage else None
    beside = [value for _, value in columns_beside(objective)]
    cells += [Cell(shown_of(measured, each), value_of(measured, each) if measured else None) for each in beside]
    batch = decided.server.mean_batch_size if decided else None
    cells += [
        Cell(mean_batch(decided) if decided else "-", batch),
        Cell("-" if share is None else f"{share:.0%}", share),
        *([] if any(each.is_memory for each in beside) else [Cell(memory(used), used)]),
        Cell(format_duration(outcome.seconds) if outcome.seconds else "-", outcome.seconds),
        Cell(_shortened(verdict_of(outcome)), style=_STYLES.get(outcome.kind, "bad")),
        Cell(config_change(outcome, trial.label)),
    ]
    return tuple(cells)


def _shortened(text: str) -> str:
    """A long message is in full among the failures."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST].rstrip()}..."


def _rate_value(outcome: TrialOutcome) -> float | None:
    """What the rate's column is sorted by: a config without a rate comes last."""
    measured = outcome.measurement
    if measured is None or measured.decided_by is None or outcome.kind is OutcomeKind.PRUNED or outcome.failed:
        return None
    return measured.rate_per_s if outcome.feasible else measured.decided_by.asked_per_s
