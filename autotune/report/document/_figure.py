"""A plot, described once; Plotly draws it in the HTML report, matplotlib as PNG."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["points", "line", "both", "steps", "bars", "stack", "interval"]
Symbol = Literal["circle", "square", "diamond", "x", "triangle"]
Dash = Literal["solid", "dash", "dot"]

_LOG_FROM = 20.0  # ratio of the largest value to the smallest from which an axis is logarithmic


@dataclass(frozen=True)
class Series:
    """Values of one kind.

    Attributes:
        name: In the legend.
        x: Positions: numbers, or names on an axis of names.
        y: Values, one for each position.
        colour: A name of `autotune.report.document.PALETTE`.
        kind: How they are drawn. ``steps`` is a line with corners, ``stack`` bars on top of each other, ``interval``
            points with whiskers.
        notes: What is shown of each point when it is pointed at.
        symbol: The marker.
        dash: The line.
        low: Lower ends of the whiskers.
        high: Upper ends of the whiskers.
        width: Width of a place for bars, in units of the axis; bars of several series stand beside each other in it.
        hidden: Whether it is drawn only on request, where the format can; not drawn at all otherwise.
    """

    name: str
    x: tuple[float | str, ...]
    y: tuple[float, ...]
    colour: str
    kind: Kind = "points"
    notes: tuple[str, ...] = ()
    symbol: Symbol = "circle"
    dash: Dash = "solid"
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    width: float = 1.0
    hidden: bool = False


@dataclass(frozen=True)
class Axis:
    """An axis.

    Attributes:
        title: What it shows, with the unit.
        log: Whether it is logarithmic; a linear one of numbers starts at zero.
        names: Whether positions are names.
    """

    title: str
    log: bool = False
    names: bool = False


@dataclass(frozen=True)
class Limit:
    """A horizontal line, such as a latency ceiling."""

    value: float
    text: str


@dataclass(frozen=True)
class Figure:
    """A plot with what to conclude from it.

    Attributes:
        name: A short name without blanks; the file's name.
        title: What is drawn.
        caption: What to conclude, computed from the data.
        x: The horizontal axis.
        y: The vertical axis.
        series: What is drawn, the most important last.
        limits: Horizontal lines.
        small: Whether several stand beside each other.
    """

    name: str
    title: str
    caption: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    limits: tuple[Limit, ...] = ()
    small: bool = False

    @property
    def drawn(self) -> bool:
        """Whether there is anything to see."""
        return any(each.x and not each.hidden for each in self.series)


def slug(name: str) -> str:
    """A name as part of a file's name."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")


def scaled_axis(title: str, values: Sequence[float]) -> Axis:
    """An axis for these values; logarithmic if they are above zero and far apart."""
    return Axis(title, log=bool(values) and min(values) > 0 and max(values) / min(values) > _LOG_FROM)
