"""A grid's regret against restarts and against seconds, as SVG."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.replay._grid import Grid
from benchmarks.replay._replay import Replay
from benchmarks.replay._table import WITHIN, quantile

_WIDTH, _HEIGHT = 460, 300
_LEFT, _TOP, _GAP = 60, 58, 70
_TOTAL = 2 * (_WIDTH + _LEFT) + _GAP // 2, _HEIGHT + _TOP + 56
_STEPS = 120
_WORST = 0.5  # regrets beyond lie on the lower edge
# Okabe and Ito's colours, which colour-blind people can distinguish.
_COLOURS = {"model": "#0072b2", "tpe": "#d55e00", "random": "#555555", "grid": "#cc79a7", "gp": "#009e73"}

Value = Callable[[Replay, float], float]


def plot(grid: Grid, found: Mapping[str, Sequence[Replay]]) -> str:
    """The SVG: medians as lines, the middle 90% of seeds as bands; a study that ended keeps its best."""
    optimum = grid.optimum_per_s
    restarts = max(len(each.chosen_per_s) for replays in found.values() for each in replays)
    seconds = max(each.elapsed_s[-1] for replays in found.values() for each in replays)
    seeds = max(len(replays) for replays in found.values())
    title = (
        f"{grid.subject.name}: {grid.space.size} configs, p99 at most {grid.subject.p99}, best of them "
        f"{optimum:,.0f} inferences/s; median and middle 90% of {seeds} seeds"
    )
    panels = [
        _panel(found, 0, np.arange(1.0, restarts + 1), "restarts", lambda each, x: _after(each, int(x), optimum)),
        _panel(found, 1, np.linspace(0, seconds, _STEPS), "seconds", lambda each, x: _at(each, x, optimum)),
    ]
    width, height = _TOTAL
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
            'font-size="12">',
            f'<rect width="{width}" height="{height}" fill="white"/>',
            f'<text x="{_LEFT}" y="20" font-size="13">{html.escape(title)}</text>',
            *_legend(found),
            *panels,
            "</svg>\n",
        ]
    )


def _after(replay: Replay, restarts: int, optimum_per_s: float) -> float:
    return replay.chosen_per_s[min(restarts, len(replay.chosen_per_s)) - 1] / optimum_per_s


def _at(replay: Replay, elapsed_s: float, optimum_per_s: float) -> float:
    done = int(np.searchsorted(replay.elapsed_s, elapsed_s, side="right"))
    return replay.chosen_per_s[done - 1] / optimum_per_s if done else 0.0


def _panel(
    found: Mapping[str, Sequence[Replay]], number: int, xs: NDArray[np.float64], label: str, value: Value
) -> str:
    left = _LEFT + number * (_WIDTH + _GAP)
    first, last = float(xs[0]), max(float(xs[-1]), float(xs[0]) + 1)

    def point(x: float, part: float) -> str:
        across = left + _WIDTH * (x - first) / (last - first)
        return f"{across:.1f},{_TOP + _HEIGHT * _down(part):.1f}"

    parts = [f'<g stroke-linejoin="round"><rect {_box(left)} fill="none" stroke="#999"/>', *_rulers(left)]
    parts.append(f'<text x="{left + _WIDTH / 2}" y="{_TOP + _HEIGHT + 36}" text-anchor="middle">{label}</text>')
    for tick in np.unique(np.round(np.linspace(first, last, 6))):
        across = left + _WIDTH * (tick - first) / (last - first)
        parts.append(f'<text x="{across:.1f}" y="{_TOP + _HEIGHT + 18}" text-anchor="middle">{tick:.0f}</text>')
    for sampler, replays in found.items():
        curves = {
            level: [quantile([value(each, x) for each in replays], level) for x in xs] for level in (0.05, 0.5, 0.95)
        }
        band = [point(x, part) for x, part in zip(xs, curves[0.95], strict=True)]
        band += [point(x, part) for x, part in reversed(list(zip(xs, curves[0.05], strict=True)))]
        line = [point(x, part) for x, part in zip(xs, curves[0.5], strict=True)]
        colour = _COLOURS.get(sampler, "black")
        parts.append(f'<polygon points="{" ".join(band)}" fill="{colour}" fill-opacity="0.12"/>')
        parts.append(f'<polyline points="{" ".join(line)}" fill="none" stroke="{colour}" stroke-width="2"/>')
    return "\n".join([*parts, "</g>"])


def _down(part: float) -> float:
    """How far below the optimum's line a part of the optimum is drawn, from 0 to 1."""
    return min(1.0, max(0.0, (1 - part) / _WORST))


def _box(left: float) -> str:
    return f'x="{left}" y="{_TOP}" width="{_WIDTH}" height="{_HEIGHT}"'


def _rulers(left: float) -> list[str]:
    """Lines at parts of the optimum; the one that the target asks for is dashed."""
    lines = []
    for part in (1.0, 1 - WITHIN, 0.9, 0.8, 0.7, 0.6, 1 - _WORST):
        y = _TOP + _HEIGHT * _down(part)
        dashes = ' stroke-dasharray="4 3"' if part == 1 - WITHIN else ""
        least = "&lt;= " if part == 1 - _WORST else ""
        lines.append(f'<path d="M{left} {y:.1f}h{_WIDTH}" stroke="#ccc"{dashes}/>')
        lines.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{least}{part:.0%}</text>')
    return lines


def _legend(found: Mapping[str, Sequence[Replay]]) -> list[str]:
    parts = []
    for number, sampler in enumerate(found):
        x, colour = _LEFT + 90 * number, _COLOURS.get(sampler, "black")
        parts.append(f'<rect x="{x}" y="34" width="18" height="4" fill="{colour}"/>')
        parts.append(f'<text x="{x + 24}" y="40">{html.escape(sampler)}</text>')
    return parts
