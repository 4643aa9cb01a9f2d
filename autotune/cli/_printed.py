"""How a command prints its result."""

from __future__ import annotations

from dataclasses import dataclass

from autotune.request import Panel, Request, option


@dataclass(frozen=True, kw_only=True)
class Printed(Request):
    """The output format."""

    json: bool = option(False, "", "Print the result as JSON on standard output.", panel=Panel.OUTPUT)
