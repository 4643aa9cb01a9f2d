"""How a command prints its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autotune.request import Panel, Request, option

if TYPE_CHECKING:
    from autotune.report import Format


@dataclass(frozen=True, kw_only=True)
class Printed(Request):
    """The output format."""

    format: str = option("text", "text|json", "Format of the result on standard output.", panel=Panel.OUTPUT)
    json: bool = option(False, "", "Short for --format json.", panel=Panel.OUTPUT)

    @property
    def quiet(self) -> bool:
        """Whether no progress is drawn: the result is for a program."""
        return self.json or self.format != "text"

    def output(self) -> Format:
        """The output format; raises `UsageError` if it is unknown."""
        from autotune.report import find_format

        return find_format("json" if self.json else self.format)
