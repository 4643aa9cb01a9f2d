"""What a report consists of, before it is HTML, Markdown or JSON.

Texts are plain: each renderer escapes them for its own format, so that no name can break out of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from autotune.report.document._figure import Figure

CellStyle = Literal["", "good", "warning", "bad", "quiet"]


@dataclass(frozen=True)
class Paragraph:
    """Sentences, and a list below them.

    Attributes:
        text: The sentences.
        items: The list.
    """

    text: str
    items: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tile:
    """One number that matters, large.

    Attributes:
        label: What it is.
        value: The number with its unit.
        note: How sure it is, or where it comes from.
    """

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Tiles:
    """The numbers that matter."""

    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Facts:
    """Names with their values."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Code:
    """Text as it is in a file.

    Attributes:
        text: The lines.
        language: ``diff``, ``protobuf`` or ``text``.
        title: What it is; shown above it.
        folded: Whether it is shown only on request where the format can.
    """

    text: str
    language: str = "text"
    title: str = ""
    folded: bool = False


@dataclass(frozen=True)
class Column:
    """A column of a table; a numeric one is aligned right."""

    name: str
    numeric: bool = False


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: What is shown.
        value: What rows are sorted by; None to sort by the text.
        style: What it says about the row.
    """

    text: str
    value: float | None = None
    style: CellStyle = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: A short name without blanks.
        columns: Its columns.
        rows: A cell for each column.
        interactive: Whether it can be sorted and filtered, where the format can.
        highlighted: Index of the row that matters most; None without one.
    """

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    interactive: bool = False
    highlighted: int | None = None


Block = Paragraph | Tiles | Facts | Code | Table | Figure


@dataclass(frozen=True)
class Section:
    """A part of a report under its own heading.

    Attributes:
        name: A short name without blanks; the anchor of links to it.
        title: The heading.
        blocks: Its content.
    """

    name: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """A report.

    Attributes:
        title: The heading.
        subtitle: What was looked for.
        made: When and by which version it was written.
        sections: Its parts; those without content are left out.
    """

    title: str
    subtitle: str
    made: str
    sections: tuple[Section, ...]

    @property
    def figures(self) -> tuple[Figure, ...]:
        """All plots, in order."""
        return tuple(block for section in self.sections for block in section.blocks if isinstance(block, Figure))
