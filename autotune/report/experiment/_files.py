"""The files of an experiment: a Markdown report, every round as CSV, and PNG plots."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from autotune.report._file import write_file
from autotune.report._load_columns import REPORTED
from autotune.report._sweep_csv import csv_lines
from autotune.report.document._blocks import Block, Cell, Code, Column, Document, Facts, Paragraph, Section, Table
from autotune.report.document._write import write_report
from autotune.report.document.sections._setup import environment_facts, file_tree
from autotune.report.experiment._bottlenecks import bottleneck_lines
from autotune.report.experiment._figures import figures
from autotune.report.experiment._table import error_lines, rounds_table, typical_rounds, typical_table, with_failures
from autotune.report.experiment._verdict import verdict_of
from autotune.search.experiment import ExperimentResult


def write_files(result: ExperimentResult, directory: Path, columns: Sequence[str] | None = None) -> Path:
    """Writes ``report.md``, its plots in ``report_plots/``, and ``results.csv``; returns the report's path.

    Raises:
        UsageError: They cannot be written.
    """
    chosen = tuple(columns or with_failures(result, REPORTED))
    write_file(directory / "results.csv", csv_lines(rounds_table(result, chosen)).encode())
    _, path = write_report(document(result, chosen), "markdown", directory / "report.md", directory)
    return path or directory


def document(result: ExperimentResult, columns: Sequence[str] = REPORTED) -> Document:
    """The report of an experiment."""
    made = datetime.now(timezone.utc)
    sections = (
        Section("verdict", "Verdict", _verdict(result)),
        Section("results", "Results", (_table(result, columns), *_rows_are(result))),
        Section("plots", "Plots", tuple(each for each in figures(result) if each.drawn)),
        Section("variants", "Variants", tuple(_variants(result))),
        Section("machine", "Machine and environment", (Facts(_facts(result)),)),
        Section("repository", "Model repository", (Code(file_tree(result.files)),)),
    )
    return Document(
        title=f"Experiment {result.name}",
        subtitle=result.about,
        made=f"Written by autotune {version('triton-autotune')} on {made:%Y-%m-%d %H:%M} UTC",
        sections=tuple(section for section in sections if section.blocks),
    )


def _verdict(result: ExperimentResult) -> tuple[Block, ...]:
    lines = (*verdict_of(result), *error_lines(result), *bottleneck_lines(result))
    return (Paragraph(lines[0], tuple(lines[1:])),) if lines else ()


def _table(result: ExperimentResult, columns: Sequence[str]) -> Table:
    table = typical_table(result, columns)
    heads = tuple(Column(name, numeric=name not in ("Variant", "Client")) for name in table.columns)
    rows = tuple(tuple(Cell(_shown(value)) for value in row) for row in table.rows)
    return Table("results", heads, rows)


def _shown(value: float | str) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _rows_are(result: ExperimentResult) -> tuple[Block, ...]:
    rounds = result.round_count
    if rounds < 2:
        return (Paragraph("One round. Latencies are in milliseconds."),)
    return (
        Paragraph(
            f"{rounds} rounds, in turns on fresh servers. The table shows {typical_rounds(result)}; results.csv has all"
            " rounds. Latencies are in milliseconds."
        ),
    )


def _variants(result: ExperimentResult) -> list[Block]:
    blocks: list[Block] = []
    seen = set()
    for each in result.entrants:
        if each.variant in seen:
            continue
        seen.add(each.variant)
        said = each.changes or ("the config in the repository",)
        blocks.append(Paragraph(f"{each.variant}: model {each.model}", said))
        blocks += [
            Code(text, "protobuf", f"{each.variant}: served config.pbtxt of {model}")
            for model, text in each.configs.items()
        ]
    return blocks


def _facts(result: ExperimentResult) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in environment_facts(result.environment) if value)
