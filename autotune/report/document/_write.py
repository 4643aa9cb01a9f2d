"""Writing a report to a file, or to standard output."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from autotune.errors import UsageError
from autotune.report._file import STANDARD_OUTPUT, write_file
from autotune.report.document._blocks import Document
from autotune.report.document._html import html_report
from autotune.report.document._json import json_report
from autotune.report.document._markdown import markdown_report
from autotune.report.document._png import png

DOCUMENT_FORMATS = {"html": ".html", "markdown": ".md", "json": ".json"}
"""Formats of a report, with the suffix of their files."""

_SUFFIXES = {".html": "html", ".htm": "html", ".md": "markdown", ".markdown": "markdown", ".json": "json"}


def write_report(document: Document, name: str | None, output: Path | None, directory: Path) -> tuple[str, Path | None]:
    """Writes a report and returns its text and its file.

    Args:
        document: The report.
        name: The format; None for that of the output's suffix, HTML without one.
        output: A file, a directory that gets a ``report.html``, ``-`` for no file, or None for the study's directory.
        directory: The study's own directory.

    Raises:
        UsageError: An unknown format, or an output that cannot be written.
    """
    chosen = report_format(name, output)
    if output == STANDARD_OUTPUT:
        return _text(document, chosen, plots=""), None
    file = (
        output
        if output is not None and not output.is_dir()
        else (output or directory) / f"report{DOCUMENT_FORMATS[chosen]}"
    )
    plots = file.with_name(f"{file.stem}_plots")
    text = _text(document, chosen, quote(plots.name))
    if chosen == "markdown":
        for figure in document.figures:
            write_file(plots / f"{figure.name}.png", png(figure))
    write_file(file, text.encode())
    return text, file


def report_format(name: str | None, output: Path | None) -> str:
    """The format of a report: as named, or by the suffix of its output; raises `UsageError` if it is unknown."""
    if name is None:
        return _SUFFIXES.get(output.suffix.lower(), "html") if output is not None else "html"
    if name not in DOCUMENT_FORMATS:
        raise UsageError(f"--format: {name!r} is unknown; use {', '.join(DOCUMENT_FORMATS)}")
    return name


def _text(document: Document, name: str, plots: str) -> str:
    if name == "markdown":
        return markdown_report(document, plots)
    return json_report(document) if name == "json" else html_report(document)
