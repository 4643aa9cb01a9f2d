"""A plot as Plotly's JSON. Colours stay names (``$delivered``): the page knows whether its ground is dark."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

from autotune.report.document._figure import Axis, Figure, Limit, Series

_SYMBOLS = {"circle": "circle", "square": "square", "diamond": "diamond", "x": "x", "triangle": "triangle-down"}
FILLED = 0.8
"""Part of a place that bars fill."""
_MANY = 200  # points from which they are drawn smaller


def plotly_figure(figure: Figure) -> dict[str, Any]:
    """``data`` and ``layout`` of a plot. Texts are escaped, because Plotly reads them as HTML."""
    stacked = any(each.kind == "stack" for each in figure.series)
    layout = {
        "xaxis": _axis(figure.x) | _range(figure),
        "yaxis": _axis(figure.y),
        "barmode": "stack" if stacked else "group",
        "shapes": [_line(each) for each in figure.limits],
        "annotations": [_label(each, figure.y) for each in figure.limits],
        "showlegend": len(figure.series) > 1,
    }
    bars = [each for each in figure.series if each.kind == "bars"]
    data = [_trace(each) | (_placed(each, bars) if each in bars else {}) for each in figure.series]
    return {"data": data, "layout": layout}


def _placed(series: Series, bars: Sequence[Series]) -> dict[str, Any]:
    """Where a bar stands beside those of other series; Plotly's own width depends on the distance of all positions."""
    width = FILLED * series.width / len(bars)
    return {"width": width, "offset": width * (bars.index(series) - len(bars) / 2)}


def _trace(series: Series) -> dict[str, Any]:
    colour = f"${series.colour}"
    trace: dict[str, Any] = {
        "name": _escaped(series.name),
        "x": [_escaped(each) if isinstance(each, str) else _short(each) for each in series.x],
        "y": [_short(each) for each in series.y],
    }
    if series.notes:
        short = len(series.notes) > _MANY  # the configs of many points would make the page large
        notes = [note.partition("\n")[0] for note in series.notes] if short else series.notes
        trace |= {"hovertext": [_escaped(note) for note in notes], "hoverinfo": "text"}
    if series.hidden:
        trace["visible"] = "legendonly"
    if series.kind in ("bars", "stack"):
        return {**trace, "type": "bar", "marker": {"color": colour}}
    lines = series.kind in ("line", "both", "steps")
    points = series.kind in ("points", "both", "interval")
    trace |= {"type": "scatter", "mode": "+".join(["lines"] * lines + ["markers"] * points)}
    if lines:
        trace["line"] = {"color": colour, "dash": series.dash, "shape": "vh" if series.kind == "steps" else "linear"}
    if points:
        size = 5 if len(series.x) > _MANY else 11 if series.symbol == "diamond" else 7
        trace["marker"] = {"color": colour, "symbol": _SYMBOLS[series.symbol], "size": size}
    if series.low:
        trace["error_y"] = {
            "type": "data",
            "symmetric": False,
            "array": [_short(high - value) for high, value in zip(series.high, series.y, strict=True)],
            "arrayminus": [_short(value - low) for low, value in zip(series.low, series.y, strict=True)],
            "color": colour,
            "thickness": 2,
        }
    return trace


def _axis(axis: Axis) -> dict[str, Any]:
    kind = "category" if axis.names else "log" if axis.log else "linear"
    shown: dict[str, Any] = {"type": kind, "title": {"text": _escaped(axis.title)}}
    if kind == "linear":
        shown |= {"rangemode": "tozero", "separatethousands": True}
    if kind == "log":
        shown |= {"dtick": "D2"}
    return shown


def _range(figure: Figure) -> dict[str, Any]:
    """Room beside the first and the last name, so that points do not stand on the edge; no numbers of bars below 0."""
    bars = [each for each in figure.series if each.kind == "bars" and each.x]
    if bars and not figure.x.names:
        return {"range": [0, max(max(map(float, each.x)) + each.width for each in bars)]}
    names = {name for each in figure.series for name in each.x}
    return {"range": [-0.5, len(names) - 0.5]} if figure.x.names else {}


def _line(limit: Limit) -> dict[str, Any]:
    across = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": limit.value, "y1": limit.value}
    return {**across, "line": {"color": "$limit", "width": 2, "dash": "dash"}}


def _label(limit: Limit, y: Axis) -> dict[str, Any]:
    return {
        "text": _escaped(limit.text),
        "xref": "paper",
        "x": 0,
        "xanchor": "left",
        "y": math.log10(limit.value) if y.log else limit.value,
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"color": "$limit"},
    }


def _escaped(text: str) -> str:
    return html.escape(text, quote=False).replace("\n", "<br>")


def _short(value: float) -> float | None:
    """Six significant digits: more only make the page larger; None for what cannot be drawn."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
