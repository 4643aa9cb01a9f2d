"""``--help`` in panels. Typer's own needs rich, whose import takes longer than all the rest."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

_WIDEST = 100  # columns
_WIDEST_FLAGS = 32  # columns; the text of an option with longer flags begins on the next line

Rows = list[tuple[str, str]]


def write_help(command: Any, context: Any, formatter: Any, panels: Mapping[str, Rows], order: Sequence[str]) -> None:
    """Writes a command's usage, description, panels and epilogue.

    Args:
        command: The command; its options are added to the panels that they name, the last one if they name none.
        context: Its context.
        formatter: What to write to.
        panels: Other rows by panel.
        order: The panels in their order; those without rows are left out.
    """
    width = min(_WIDEST, shutil.get_terminal_size().columns)
    filled = {title: list(panels.get(title, ())) for title in order}
    for parameter in command.get_params(context):
        filled[getattr(parameter, "rich_help_panel", None) or order[-1]].append((_flags(parameter), _text(parameter)))
    column = min(_WIDEST_FLAGS, max(len(flags) for rows in filled.values() for flags, _ in rows))
    texts = [command.get_usage(context), *(command.help or "").split("\n\n")]
    formatter.write("\n" + "\n".join(f"{_wrapped(text, width)}\n" for text in texts) + "\n")
    formatter.write("".join(_panel(title, rows, column, width) for title, rows in filled.items() if rows))
    if command.epilog:
        formatter.write(f"\n{_wrapped(command.epilog, width)}\n")


def _flags(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return str(parameter.metavar)
    flags = ", ".join(sorted(parameter.opts, key=lambda flag: not flag.startswith("--")))
    return flags if parameter.is_flag else f"{flags} {parameter.metavar}"


def _text(parameter: Any) -> str:
    default = "" if parameter.is_eager else parameter.default
    return f"{parameter.help} [default: {default}]" if default not in (None, False, "") else str(parameter.help)


def _panel(title: str, rows: Rows, column: int, width: int) -> str:
    lines = []
    for flags, text in rows:
        wrapped = textwrap.wrap(text, width - 6 - column, break_on_hyphens=False)
        first = wrapped.pop(0) if len(flags) <= column else ""
        lines.append(f"{flags:<{column}}  {first}".rstrip())
        lines += [f"{'':<{column}}  {line}" for line in wrapped]
    body = "".join(f"│ {line:<{width - 4}} │\n" for line in lines)
    return f"╭─ {title} {'─' * (width - len(title) - 5)}╮\n{body}╰{'─' * (width - 2)}╯\n"


def _wrapped(text: str, width: int) -> str:
    indent = " "
    words = " ".join(text.split())
    return textwrap.fill(words, width - 1, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
