"""docs/troubleshooting.md explains messages that the product really has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "troubleshooting.md"
_GAP = "\0"  # a value in a message


def _messages() -> list[str]:
    """The first column of each table."""
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    return [re.match(r"\| `([^`]+)` \|", row)[1] for row in rows]  # type: ignore[index]


@cache
def _templates() -> list[str]:
    """Every text in the product's code, with a gap where an f-string has a value."""
    return [text for path in (ROOT / "autotune").rglob("*.py") for text in _texts(ast.parse(path.read_text("utf-8")))]


def _texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(each.value if isinstance(each, ast.Constant) else _GAP for each in node.values)  # type: ignore[misc]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _is_said(message: str) -> bool:
    """Whether the parts of a message between its gaps stand in one text of the code, in order.

    A part may also be longer in the code, because a message is put together from several texts.
    """
    parts = [part.strip() for part in message.split("…") if len(part.strip()) > 4]
    pattern = re.compile(".*".join(map(re.escape, parts)), re.DOTALL)
    return any(pattern.search(template) for template in _templates())


@pytest.mark.parametrize("message", _messages())
def test_a_message_that_is_explained_exists(message: str) -> None:
    assert _is_said(message)


def test_a_message_that_does_not_exist_would_be_found() -> None:
    assert not _is_said("--p99: … is out of the question")
    assert len(_messages()) > 30
