"""From a study to its report."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from importlib.metadata import version

from autotune.report.document._blocks import Document, Section
from autotune.report.document._figure import Figure
from autotune.report.document._source import Source
from autotune.report.document.sections import SECTIONS


def build(source: Source, now: datetime | None = None) -> Document:
    """The report of a study; sections without content are left out.

    Args:
        source: The study.
        now: When it is written, in UTC.
    """
    made = now or datetime.now(timezone.utc)
    sections = (_with_data(section) for each in SECTIONS if (section := each(source)) is not None)
    result = source.result
    return Document(
        title=f"{', '.join(result.models)}: study {result.study}",
        subtitle=f"{str(result.objective)[:1].upper()}{str(result.objective)[1:]}",
        made=f"Written by autotune {version('triton-autotune')} on {made:%Y-%m-%d %H:%M} UTC from {result.storage}",
        sections=tuple(section for section in sections if section.blocks),
    )


def _with_data(section: Section) -> Section:
    """The section without plots in which nothing is drawn, as where every request failed."""
    blocks = (block for block in section.blocks if not isinstance(block, Figure) or block.drawn)
    return replace(section, blocks=tuple(blocks))
