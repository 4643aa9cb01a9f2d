"""A report as one HTML file that needs no network."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from itertools import groupby

from autotune.report.document._blocks import Block, Cell, Code, Document, Facts, Paragraph, Section, Table, Tiles
from autotune.report.document._figure import Figure
from autotune.report.document._palette import PALETTE
from autotune.report.document._plotly import plotly_figure


def html_report(document: Document) -> str:
    """The page, with its style, its script, Plotly and all data inside."""
    page = files("autotune.report.document") / "page"
    style, script = ((page / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    data = {"palette": PALETTE, "figures": {each.name: plotly_figure(each) for each in document.figures}}
    links = "".join(f'<a href="#{escape(each.name)}">{escape(each.title)}</a>' for each in document.sections)
    sections = "\n".join(map(_section, document.sections))
    plotly = _plotly_script() if document.figures else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{escape(document.title)}</title>
<style>
{_colours()}
{style}</style>
</head>
<body>
<header><h1>{escape(document.title)}</h1>
<p class="subtitle">{escape(document.subtitle)}</p>
<nav aria-label="Sections">{links}</nav></header>
<main>
{sections}
</main>
<footer>{escape(document.made)}</footer>
<noscript><p>Plots, sorting and filtering need JavaScript; all tables and captions are here without it.</p></noscript>
<script type="application/json" id="data">{_in_script(data)}</script>
{plotly}<script>
{script}</script>
</body>
</html>
"""


def _section(section: Section) -> str:
    blocks = []
    for small, group in groupby(section.blocks, key=lambda block: isinstance(block, Figure) and block.small):
        inside = "\n".join(map(_block, group))
        blocks.append(f'<div class="beside">{inside}</div>' if small else inside)
    name = escape(section.name)
    return f'<section id="{name}"><h2>{escape(section.title)}</h2>\n' + "\n".join(blocks) + "</section>"


def _block(block: Block) -> str:
    if isinstance(block, Paragraph):
        items = "".join(f"<li>{escape(each)}</li>" for each in block.items)
        return f"<p>{escape(block.text)}</p>" + (f"<ul>{items}</ul>" if items else "")
    if isinstance(block, Facts):
        rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in block.rows)
        return f"<dl>{rows}</dl>"
    if isinstance(block, Tiles):
        tiles = "".join(
            f'<div class="tile"><span>{escape(each.label)}</span><strong>{escape(each.value)}</strong>'
            f"<small>{escape(each.note)}</small></div>"
            for each in block.tiles
        )
        return f'<div class="tiles">{tiles}</div>'
    if isinstance(block, Code):
        return _code(block)
    return _table(block) if isinstance(block, Table) else _figure(block)


def _code(block: Code) -> str:
    if block.language == "diff":
        lines = "\n".join(_diff_line(line) for line in block.text.splitlines())
    else:
        lines = escape(block.text)
    text = f'<pre tabindex="0"><code>{lines}</code></pre>'
    title = escape(block.title)
    if block.folded:
        return f"<details><summary>{title}</summary>{text}</details>"
    return (f"<h3>{title}</h3>" if title else "") + text


def _diff_line(line: str) -> str:
    kind = {"+": "ins", "-": "del"}.get(line[:1], "")
    if not kind or line.startswith(("+++", "---")):
        return f'<span class="quiet">{escape(line)}</span>' if line[:2] in ("++", "--", "@@") else escape(line)
    return f"<{kind}>{escape(line)}</{kind}>"


def _figure(figure: Figure) -> str:
    name, caption = escape(figure.name), escape(figure.caption)
    small = " small" if figure.small else ""
    return (
        f'<figure class="plotted{small}"><h3>{escape(figure.title)}</h3>'
        f'<div class="plot" data-figure="{name}" role="img" aria-label="{caption}"></div>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _table(table: Table) -> str:
    head = "".join(
        f'<th scope="col"{_numeric(each.numeric)}>'
        + (f'<button type="button">{escape(each.name)}</button>' if table.interactive else escape(each.name))
        + "</th>"
        for each in table.columns
    )
    numeric = [each.numeric for each in table.columns]
    body = "\n".join(
        f"<tr{' class=main' if index == table.highlighted else ''}>{_cells(row, numeric, table.interactive)}</tr>"
        for index, row in enumerate(table.rows)
    )
    tools = (
        '<p class="tools"><input type="search" placeholder="Filter rows: words, all must occur"'
        f' aria-label="Filter rows"> <output>{len(table.rows):,} rows</output></p>'
        if table.interactive
        else ""
    )
    kind = "interactive" if table.interactive else "plain"
    return (
        f'{tools}<div class="scroll" tabindex="0"><table class="{kind}" id="table-{escape(table.name)}">'
        f"<thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>"
    )


def _cells(row: Sequence[Cell], numeric: Sequence[bool], interactive: bool) -> str:
    return "".join(
        f"<td{_numeric(right)}{_sorted_by(cell) if interactive and right else ''}>{_styled(cell)}</td>"
        for cell, right in zip(row, numeric, strict=True)
    )


def _styled(cell: Cell) -> str:
    text = escape(cell.text).replace("\n", "<br>")
    return f'<span class="{cell.style}">{text}</span>' if cell.style else text


def _sorted_by(cell: Cell) -> str:
    if cell.value is None or math.isnan(cell.value):
        return ""
    return f" data-v={cell.value:.6g}" if math.isfinite(cell.value) else " data-v=Infinity"


def _numeric(numeric: bool) -> str:
    return " class=n" if numeric else ""


def _colours() -> str:
    """The palette as CSS variables, by the ground."""
    light, dark = ("".join(f"--{name}:{colours[index]};" for name, colours in PALETTE.items()) for index in (0, 1))
    return f":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"


def _in_script(data: object) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")


def _plotly_script() -> str:
    """Plotly's own minified library, as its Python package carries it; the package itself is not imported."""
    text = (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    return f"<script>{text}</script>\n"
