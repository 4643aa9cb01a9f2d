"""A report as JSON: the same sections, tables, plots and captions, for programs."""

from __future__ import annotations

from autotune.report._json import dumps, plain
from autotune.report.document._blocks import Document


def json_report(document: Document) -> str:
    """The report; each block says its ``type``. Infinite and undefined numbers become null."""
    sections = [
        {
            "name": section.name,
            "title": section.title,
            "blocks": [{"type": type(block).__name__.lower(), **plain(block)} for block in section.blocks],
        }
        for section in document.sections
    ]
    return dumps({"title": document.title, "subtitle": document.subtitle, "made": document.made, "sections": sections})
