"""The notes of a study and its trials, as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autotune.measurement import breakdown
from autotune.objective import format_duration
from autotune.report._format import config_change, latency, served_otherwise
from autotune.report._measurement import claim, latency_parts, measurement_lines
from autotune.report._summary import predicted_value, verdict_of
from autotune.report.document._blocks import Block, Cell, Column, Facts, Paragraph, Table
from autotune.report.document._markdown import escaped, markdown_blocks
from autotune.report.document._source import Source
from autotune.report.document.sections._verdict import config_diffs, verdict

if TYPE_CHECKING:
    from autotune.measurement import Probe
    from autotune.outcome import TrialOutcome
    from autotune.search import StudyResult
    from autotune.store import StudyRecord, TrialRecord


def study_note(record: StudyRecord, result: StudyResult) -> str:
    """The result of a study: the report's verdict."""
    section = verdict(Source(result=result, record=record, runs=(), window_counts=(), detailed=()))
    return _note(f"{record.model}: {record.objective}", section.blocks)


def trial_note(trial: TrialRecord, result: StudyResult) -> str:
    """The verdict of a trial, how its config differs from the baseline's, and where a request's time goes."""
    outcome = trial.outcome
    said = verdict_of(outcome)
    blocks: list[Block] = [Paragraph(_sentence(said))]
    if result.best is not None and trial.id == result.best.id:
        blocks.append(Paragraph("This config is delivered."))
    measured = None if outcome.failed else outcome.measurement
    if measured is not None and measured.decided_by is not None:
        blocks.append(Paragraph(claim(measured)))
    blocks.append(Facts(tuple(_facts(trial, result))))
    blocks += [Paragraph(f"As served: {text}.") for text in served_otherwise(outcome)]
    blocks += _changes(outcome, result, f"trial {trial.number}")
    if measured is not None and measured.decided_by is not None:
        parts = _parts(measured.decided_by)
        lines = measurement_lines(measured, headline=False)[len(parts) :]  # the first says the same as the table
        blocks += [*parts, *(Paragraph(line.strip()) for line in lines)]
    return _note(f"Trial {trial.number} ({trial.label})", tuple(blocks))


def _facts(trial: TrialRecord, result: StudyResult) -> list[tuple[str, str]]:
    outcome = trial.outcome
    facts = [("config", config_change(outcome))]
    if outcome.forecast is not None:
        facts.append(("predicted", predicted_value(outcome, result.objective)))
    if outcome.startup_s:
        facts.append(("server start", format_duration(outcome.startup_s)))
    if outcome.seconds:
        facts.append(("took", format_duration(outcome.seconds)))
    return facts


def _changes(outcome: TrialOutcome, result: StudyResult, name: str) -> list[Block]:
    """The diff to the baseline's config; nothing without a baseline, or for the baseline itself."""
    baseline = result.baseline
    return list(config_diffs(baseline.outcome.configs, outcome.configs, name)) if baseline is not None else []


def _parts(decided: Probe) -> list[Table]:
    """A table of the parts of the mean latency, and the share of each; none if no request was answered."""
    parts = breakdown(decided)
    if parts is None:
        return []
    seconds = latency_parts(parts)
    total_s = sum(seconds.values()) or 1.0
    rows = tuple((Cell(name), Cell(latency(part)), Cell(f"{part / total_s:.0%}")) for name, part in seconds.items())
    columns = (Column("part of the mean latency"), Column("mean", numeric=True), Column("share", numeric=True))
    return [Table("parts", columns, rows)]


def _note(title: str, blocks: tuple[Block, ...]) -> str:
    return f"## {escaped(title)}\n\n{markdown_blocks(blocks)}\n"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
