"""Error messages for a config that does not parse, in one line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from autotune.repository._schema import root_descriptor, suggestion

if TYPE_CHECKING:
    from google.protobuf.text_format import ParseError

_SHOWN = 80


def explain(error: ParseError, text: str, source: str) -> str:
    """The protobuf parser's error as ``source:line:column: reason, near "the line"``."""
    reason = re.sub(r"^\d+:\d+ : ", "", str(error))
    reason = re.sub(r"^'.*': ", "", reason).replace("inference.", "").rstrip(".")
    unknown = re.search(r'Enum type "(\S+)" has no value named (\w+)', str(error))
    if unknown:
        enum = root_descriptor().file.pool.FindEnumTypeByName(unknown[1])
        known = ", ".join(enum.values_by_name)
        reason += suggestion(unknown[2], enum.values_by_name) or f" (it has {known})"
    line, column = error.GetLine() or 1, error.GetColumn() or 1
    offset = sum(len(each) + 1 for each in text.split("\n")[: line - 1]) + column - 1
    return located(reason, text, min(offset, len(text)), source)


def located(reason: str, text: str, offset: int, source: str) -> str:
    """A reason with its place: ``source:line:column: reason, near "the line"``."""
    before = text[:offset]
    start = before.rfind("\n") + 1
    shown = "".join(each if each.isprintable() else " " for each in text[start:].split("\n", 1)[0]).strip()
    if len(shown) > _SHOWN:
        shown = f"{shown[: _SHOWN - 3]}..."
    near = f', near "{shown}"' if shown else ""
    return f"{source}:{before.count(chr(10)) + 1}:{offset - start + 1}: {reason}{near}; correct that line"
