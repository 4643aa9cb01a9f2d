"""A report as Markdown, with its plots as PNG files beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from autotune.report.document._blocks import Block, Code, Document, Facts, Paragraph, Table, Tiles
from autotune.report.document._figure import Figure

_SPECIAL = re.compile(r"([\\`*{}\[\]<>#|~$])|(?<![A-Za-z0-9])(_)|(_)(?![A-Za-z0-9])")
_LEADING = re.compile(r"^(\s*)([-+=]|\d+[.)])(?=\s|$)")


def markdown_report(document: Document, plots: str = "") -> str:
    """The text; plots are linked as ``<plots>/<name>.png``, or left out with their captions kept if that is empty."""
    lines = [f"# {escaped(document.title)}", "", escaped(document.subtitle), ""]
    for section in document.sections:
        lines += [f"## {escaped(section.title)}", "", markdown_blocks(section.blocks, plots), ""]
    return "\n".join([*lines, "---", "", escaped(document.made), ""])


def markdown_blocks(blocks: Sequence[Block], plots: str = "") -> str:
    """Blocks without a heading, an empty line after each; plots as in `markdown_report`."""
    return "\n\n".join("\n".join(_block(block, plots)) for block in blocks)


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _LEADING.sub(lambda found: f"{found[1]}{found[2][:-1]}\\{found[2][-1]}", _inline(text))


def _inline(text: str) -> str:
    """The same within a line, where nothing can begin a list."""
    one_line = " ".join(text.replace("&", "&amp;").split())
    return _SPECIAL.sub(lambda found: "\\" + found.group(), one_line)


def _block(block: Block, plots: str) -> list[str]:
    if isinstance(block, Paragraph):
        items = [f"- {escaped(each)}" for each in block.items]
        return [escaped(block.text), *(["", *items] if items else [])]
    if isinstance(block, Facts):
        return _rows(("", ""), block.rows)
    if isinstance(block, Tiles):
        return _rows(("", "", ""), [(each.label, f"{each.value}", each.note) for each in block.tiles])
    if isinstance(block, Code):
        return _code(block)
    return _table(block) if isinstance(block, Table) else _figure(block, plots)


def _code(block: Code) -> list[str]:
    """A fenced block whose fence is longer than any in the text."""
    longest = max((len(run) for run in re.findall("`+", block.text)), default=0)
    fence = "`" * max(3, longest + 1)
    title = [f"**{escaped(block.title)}**", ""] if block.title else []
    return [*title, f"{fence}{block.language}", block.text.rstrip("\n"), fence]


def _figure(figure: Figure, plots: str) -> list[str]:
    title = [f"### {escaped(figure.title)}", ""]
    picture = [f"![{escaped(figure.title)}]({plots}/{figure.name}.png)", ""] if plots else []
    return [*title, *picture, escaped(figure.caption)]


def _table(table: Table) -> list[str]:
    rows = [[cell.text for cell in row] for row in table.rows]
    return _rows([each.name for each in table.columns], rows, [each.numeric for each in table.columns])


def _rows(names: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool] = ()) -> list[str]:
    right = numeric or [False] * len(names)
    rule = "|".join("--:" if each else "---" for each in right)
    return [
        f"| {' | '.join(map(_inline, names))} |",
        f"|{rule}|",
        *(f"| {' | '.join(map(_inline, row))} |" for row in rows),
    ]
