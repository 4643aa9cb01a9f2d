"""YAML of a bounded depth, whose aliases stand for a bounded number of values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from autotune.errors import UsageError
from autotune.reading._file import Unreadable, read_text

_DEEPEST = 64  # guess: files of Model Analyzer nest 8 levels
_MOST_VALUES = 100_000  # guess: a list of ten thousand choices is already refused


class BoundedLoader(yaml.SafeLoader):
    """PyYAML's safe loader; raises its errors for documents that nest or multiply without end."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._depth = 0
        self._values = 0
        self._values_of: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """As PyYAML; counts levels and values, those behind an alias each time."""
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        is_alias = self.check_event(yaml.AliasEvent)
        self._depth += 1
        before = self._values
        if self._depth > _DEEPEST:
            raise yaml.composer.ComposerError(None, None, f"nested more than {_DEEPEST} levels deep", mark)
        node = super().compose_node(parent, index)
        if is_alias:
            if id(node) not in self._values_of:
                raise yaml.composer.ComposerError(None, None, "an alias within its own anchor", mark)
            self._values += self._values_of[id(node)]
        self._values += 1
        if self._values > _MOST_VALUES:
            raise yaml.composer.ComposerError(None, None, f"more than {_MOST_VALUES:,} values", mark)
        if not is_alias:
            self._values_of[id(node)] = self._values - before
        self._depth -= 1
        return node


class _TextLoader(BoundedLoader):
    """Scalars as their text: YAML would take ``rate: 1:32:8`` for a number in base 60."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own way


def parse_yaml(text: str, *, scalars_as_text: bool = False) -> Any:
    """The document in Python's types.

    Args:
        text: The document.
        scalars_as_text: Whether scalars stay texts; then there are only texts, lists and mappings.

    Raises:
        ValueError: It is not YAML, or nests or multiplies without end; begins with the line, such as ``3: ``.
    """
    try:
        return yaml.load(text, Loader=_TextLoader if scalars_as_text else BoundedLoader)  # noqa: S506 - a safe one
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"{mark.line + 1}: " if mark else ""
        raise ValueError(f"{line}not YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"not YAML: {' '.join(str(error).split())}") from None


def read_yaml(path: Path, flag: str, remedy: str = "", *, scalars_as_text: bool = False) -> Any:
    """The document in a file that a flag names; see `parse_yaml`.

    Raises:
        UsageError: It cannot be read, which ``remedy`` may follow, or is not YAML.
    """
    try:
        return parse_yaml(read_text(path), scalars_as_text=scalars_as_text)
    except Unreadable as error:
        raise UsageError(f"{flag}: cannot read {path}: {error}{f'; {remedy}' if remedy else ''}") from None
    except ValueError as error:
        raise UsageError(f"{flag}: {path}:{error}") from None
