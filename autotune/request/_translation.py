"""What the commands and files of other tools say, in our options."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Translation:
    """The options that another tool's input stands for.

    Attributes:
        source: The option that named the input, such as ``--from-perf-analyzer``.
        options: Field name of the request to value.
        left_out: What has no counterpart, each in words.
        space: The content of a search-space file; empty for the built-in space.
    """

    source: str
    options: dict[str, Any] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    space: dict[str, Any] = field(default_factory=dict)

    def notes(self, given: frozenset[str] = frozenset()) -> Iterator[str]:
        """One line with the options, and one with what has no counterpart.

        Args:
            given: Options that were given as well and win; they are not shown.
        """
        flags = [word for name, value in self.options.items() if name not in given for word in _flag(name, value)]
        yield f"{self.source}: read as {shlex.join(flags) or 'no option'}"
        for section, entries in self.space.items():
            yield f"{self.source}: searches {section} {_on_one_line(entries)}"
        if self.left_out:
            yield f"{self.source}: ignored, without a counterpart: {'; '.join(dict.fromkeys(self.left_out))}"


def _on_one_line(entries: Mapping[str, Any]) -> str:
    import yaml

    return str(yaml.safe_dump(dict(entries), default_flow_style=True, sort_keys=False, width=10**6)).strip()


def _flag(name: str, value: Any) -> Sequence[str]:
    flag = f"--{name.replace('_', '-')}"
    if value is True:
        return (flag,)
    if isinstance(value, list | tuple):
        return [word for each in value for word in _flag(name, each)]
    return (f"{flag}={value}",) if str(value).startswith("-") else (flag, str(value))
