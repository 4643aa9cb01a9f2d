"""How a command prints its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autotune.errors import UsageError
from autotune.request import Panel, Request, option

if TYPE_CHECKING:
    from autotune.cli._progress import Follow
    from autotune.report import Format


@dataclass(frozen=True, kw_only=True)
class Printed(Request):
    """The output format."""

    format: str = option("text", "text|json", "Format of the result on standard output.", panel=Panel.OUTPUT)
    json: bool = option(False, "", "Short for --format json.", panel=Panel.OUTPUT)

    plain: bool = option(False, "", "Show progress as lines, without a live view.", panel=Panel.OUTPUT)
    quiet: bool = option(False, "", "Show no progress.", panel=Panel.OUTPUT, aliases=("-q",))
    log_json: bool = option(False, "", "Write progress to standard error, one JSON object a line.", panel=Panel.OUTPUT)

    def following(self) -> Follow:
        """How progress is shown; raises `UsageError` if two ways are asked for."""
        from autotune.cli._progress import Follow

        ways = {"--plain": self.plain, "--quiet": self.quiet, "--log-json": self.log_json}
        asked = [flag for flag, given in ways.items() if given]
        if len(asked) > 1:
            raise UsageError(f"{asked[0]}: given with {asked[1]}; use one of them")
        if self.quiet:
            return Follow.QUIET
        if self.log_json:
            return Follow.JSON
        drawn = not self.plain and self.as_text
        return Follow.LIVE if drawn else Follow.PLAIN

    @property
    def as_text(self) -> bool:
        """Whether the result is for a person."""
        return self.format == "text" and not self.json

    def output(self) -> Format:
        """The output format; raises `UsageError` if it is unknown."""
        from autotune.report import find_format

        return find_format("json" if self.json else self.format)
