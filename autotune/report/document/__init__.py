"""The report of a study as a document: one HTML file, Markdown with PNG plots, or JSON.

A study becomes blocks (`_blocks`, `_figure`), a file in `sections/` for each part; each format renders the blocks.
"""

from autotune.report.document._build import build
from autotune.report.document._source import Source, read_source
from autotune.report.document._write import DOCUMENT_FORMATS, report_format, write_report

__all__ = ["DOCUMENT_FORMATS", "Source", "build", "read_source", "report_format", "write_report"]
