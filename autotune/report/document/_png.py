"""A plot as PNG, for Markdown. By matplotlib: Plotly's own export (kaleido) needs a browser on the machine."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from autotune.report.document._palette import PALETTE
from autotune.report.document._plotly import FILLED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from autotune.report.document._figure import Axis, Figure, Series

_SYMBOLS = {"circle": "o", "square": "s", "diamond": "D", "x": "x", "triangle": "v"}
_DASHES = {"solid": "-", "dash": "--", "dot": ":"}
_INCHES = (8.0, 4.5)
_SMALL_INCHES = (5.0, 3.2)
_DPI = 110
_ABOVE_LIMIT = 1.08  # room for a limit's text, as a multiple of the limit
_MANY = 200  # points from which they are drawn smaller


def png(figure: Figure) -> bytes:
    """The plot on white, about 880 pixels wide (550 for a small one)."""
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=_SMALL_INCHES if figure.small else _INCHES, dpi=_DPI, layout="constrained")
    axes = canvas.add_subplot()
    shown = [each for each in figure.series if not each.hidden]
    places = _places(figure, shown)
    bars = [each for each in shown if each.kind == "bars"]
    below: dict[Any, float] = {}
    for each in shown:
        x = [places[name] if isinstance(name, str) else name for name in each.x]
        if each.kind == "stack":
            axes.bar(x, each.y, bottom=[below.get(at, 0.0) for at in x], label=_plain(each.name), color=_light(each))
            below |= {at: below.get(at, 0.0) + value for at, value in zip(x, each.y, strict=True)}
        elif each.kind == "bars":
            width = FILLED * each.width / len(bars)
            shift = (bars.index(each) - (len(bars) - 1) / 2) * width
            axes.bar([at + shift for at in x], each.y, width, label=_plain(each.name), color=_light(each))
        else:
            _draw(axes, each, x)
    for limit in figure.limits:
        axes.axhline(limit.value, color=PALETTE["limit"][0], linestyle="--", linewidth=1.5)
        axes.annotate(
            _plain(limit.text),
            (0.01, limit.value),
            xycoords=("axes fraction", "data"),
            va="bottom",
            color=PALETTE["limit"][0],
            fontsize=9,
        )
    _scale(axes, figure, places)
    if len(shown) > 1:
        axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.set_title(_plain(figure.title), loc="left", fontsize=11)
    written = io.BytesIO()
    canvas.savefig(written, format="png")
    return written.getvalue()


def _draw(axes: Axes, series: Series, x: list[Any]) -> None:
    colour = _light(series)
    points = series.kind in ("points", "both", "interval")
    lines = series.kind in ("line", "both", "steps")
    look: dict[str, Any] = {
        "color": colour,
        "label": _plain(series.name),
        "marker": _SYMBOLS[series.symbol] if points else None,
        "markersize": 3 if len(x) > _MANY else 7 if series.symbol == "diamond" else 5,
        "linestyle": _DASHES[series.dash] if lines else "none",
    }
    if series.low:
        down = [value - low for value, low in zip(series.y, series.low, strict=True)]
        up = [high - value for value, high in zip(series.y, series.high, strict=True)]
        axes.errorbar(x, series.y, yerr=[down, up], capsize=4, **look)
    elif series.kind == "steps":
        axes.step(x, series.y, where="pre", **look)
    else:
        axes.plot(x, series.y, **look)


def _places(figure: Figure, shown: list[Series]) -> dict[str, int]:
    """The position of each name on an axis of names, in the order in which they occur."""
    if not figure.x.names:
        return {}
    names = dict.fromkeys(str(name) for each in shown for name in each.x)
    return {name: index for index, name in enumerate(names)}


def _scale(axes: Axes, figure: Figure, places: dict[str, int]) -> None:
    if places:
        axes.set_xlim(-0.5, len(places) - 0.5)
        crowded = sum(map(len, places)) > 60
        labels = [_plain(name) for name in places]
        axes.set_xticks(
            list(places.values()), labels, rotation=45 if crowded else 0, ha="right" if crowded else "center"
        )
    elif figure.x.log:
        axes.set_xscale("log")
    else:
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter("{x:,.6g}")
    if figure.y.log:
        axes.set_yscale("log")
    else:
        highest = max([axes.get_ylim()[1], *(each.value * _ABOVE_LIMIT for each in figure.limits)])
        axes.set_ylim(0, highest)
    axes.yaxis.set_major_formatter("{x:,.6g}")
    axes.set_xlabel(_title(figure.x))
    axes.set_ylabel(_title(figure.y))
    axes.grid(visible=True, color=PALETTE["grid"][0], linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _title(axis: Axis) -> str:
    return _plain(axis.title)


def _light(series: Series) -> str:
    return PALETTE[series.colour][0]


def _plain(text: str) -> str:
    """Without matplotlib's markup for formulas; a label that begins with an underscore would be left out."""
    escaped = text.replace("$", r"\$")
    return f" {escaped}" if escaped.startswith("_") else escaped
