"""The options of every command in words: ``python -m autotune.cli.options > docs/options.md``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module

from autotune.cli._app import _COMMANDS
from autotune.cli._group import Entry, Group
from autotune.request import Option, Panel, Request, options_of

_HEAD = """\
# Options

Every option is a flag, an environment variable and a key of the YAML file that `--config` names: `--shm-size 1g`,
`AUTOTUNE_SHM_SIZE=1g` and `shm-size: 1g` say the same. Flags win over variables, and variables win over the file. An
option marked with + may be given several times; in a variable, blanks separate the values. Durations need a unit:
`800us`, `5ms`, `1.5s`, `10m`.

The tables are written from the code: `python -m autotune.cli.options > docs/options.md`.
"""


def options_text() -> str:
    """The page as Markdown: a section for each command, with a table for each panel of its help."""
    return _HEAD + "".join(
        _section(name, entry.help, import_module(entry.module).REQUEST) for name, entry in _entries(_COMMANDS)
    )


def _entries(commands: Mapping[str, Entry | Group], before: str = "autotune") -> Iterator[tuple[str, Entry]]:
    """Every command with its full name, those of groups included."""
    for name, each in commands.items():
        if isinstance(each, Group):
            yield from _entries(each.entries, f"{before} {name}")
        else:
            yield f"{before} {name}", each


def _section(name: str, words: str, request: type[Request]) -> str:
    options = list(options_of(request).values())
    tables = (_table(panel, [each for each in options if each.panel is panel]) for panel in Panel)
    return f"\n## {name}\n\n{inspect.cleandoc(words)}\n{''.join(tables)}"


def _table(panel: Panel, options: list[Option]) -> str:
    if not options:
        return ""
    rows = "".join(f"| {_flags(each)} | {_default(each)} | {_escaped(each.help)} |\n" for each in options)
    return f"\n**{panel.value}**\n\n| option | default | meaning |\n|---|---|---|\n{rows}"


def _flags(option: Option) -> str:
    if option.argument:
        return _code(option.metavar)
    flags = ", ".join(f"`{flag}`" for flag in (option.flag, *option.aliases))
    value = f" {_code(option.metavar)}" if option.metavar else ""
    return f"{flags}{value}{' +' if option.repeatable else ''}"


def _default(option: Option) -> str:
    return f"`{option.default}`" if option.default not in (None, False, "", ()) else ""


def _code(text: str) -> str:
    """The text as code; renderers of Markdown differ in how a bar is written in the code of a table."""
    return f"<code>{text.replace('|', '&#124;')}</code>" if "|" in text else f"`{text}`"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(options_text())
