"""How samplers fared on a grid, in Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.replay._grid import Grid
from benchmarks.replay._replay import Replay

WITHIN = 0.03
"""How close to the optimum is close enough, as a fraction of it."""
FEW, MANY = 8, 20
"""Restarts after which regrets are reported; the target is to be close within `FEW`."""
TARGET_SHARE = 0.95
"""Of the seeds."""
PREDICTING = "model"
"""The sampler that has the target."""


def restarts_to_close(replay: Replay, optimum_per_s: float) -> float:
    """Restarts after which the chosen config is within 3% of the optimum and stays there; infinite where never."""
    far = [number for number, rate in enumerate(replay.chosen_per_s, 1) if rate < (1 - WITHIN) * optimum_per_s]
    needed = far[-1] + 1 if far else 1
    return needed if needed <= len(replay.chosen_per_s) else math.inf


def seconds_to_close(replay: Replay, optimum_per_s: float) -> float:
    """Seconds until then; infinite where never."""
    needed = restarts_to_close(replay, optimum_per_s)
    return replay.elapsed_s[int(needed) - 1] if math.isfinite(needed) else math.inf


def regret(replay: Replay, restarts: int, optimum_per_s: float) -> float:
    """By what fraction of the optimum the config chosen after so many restarts is worse; a study may end before."""
    return 1 - _after(replay.chosen_per_s, restarts) / optimum_per_s


def near_best(grid: Grid) -> int:
    """How many configs are within 3% of the best."""
    return sum(rate >= (1 - WITHIN) * grid.optimum_per_s for rate in grid.rates_per_s)


def table(grid: Grid, found: Mapping[str, Sequence[Replay]], short: Mapping[str, Sequence[Replay]]) -> str:
    """One row for each sampler.

    Args:
        grid: What was searched.
        found: Studies until they ended by themselves, without finals.
        short: Studies of `FEW` trials with a final comparison, for the columns of that many restarts.
    """
    columns = (
        "sampler",
        f"restarts to within {WITHIN:.0%}, median",
        "95% of seeds",
        f"within {WITHIN:.0%} after {FEW} restarts: chosen by trials",
        "tried",
        "delivered after finals",
        f"regret after {FEW}, median (95% of seeds)",
        f"regret after {MANY}, median (95% of seeds)",
        f"seconds to within {WITHIN:.0%}, median",
        "95% of seeds",
        "restarts in all, median",
        "seconds in all, median",
    )
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    optimum = grid.optimum_per_s
    for sampler, replays in found.items():
        restarts = [restarts_to_close(each, optimum) for each in replays]
        seconds = [seconds_to_close(each, optimum) for each in replays]
        longest = max(len(each.chosen_per_s) for each in replays)
        longest_s = max(each.elapsed_s[-1] for each in replays)
        cells = [
            sampler,
            _number(quantile(restarts, 0.5), longest),
            _number(quantile(restarts, 0.95), longest),
            f"{share_close(short[sampler], optimum):.0%} of {len(short[sampler])}",
            f"{_share([each.tried_per_s[-1] for each in short[sampler]], optimum):.0%}",
            f"{_share([each.delivered_per_s for each in short[sampler]], optimum):.0%}",
            *(_regrets(replays, number, optimum) for number in (FEW, MANY)),
            _number(quantile(seconds, 0.5), longest_s),
            _number(quantile(seconds, 0.95), longest_s),
            f"{quantile([len(each.chosen_per_s) for each in replays], 0.5):.0f}",
            f"{quantile([each.elapsed_s[-1] for each in replays], 0.5):.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def share_close(replays: Sequence[Replay], optimum_per_s: float) -> float:
    """The fraction of seeds whose chosen config is within 3% of the optimum after 8 restarts."""
    return _share([_after(each.chosen_per_s, FEW) for each in replays], optimum_per_s)


def verdict(grid: Grid, short: Mapping[str, Sequence[Replay]]) -> str:
    """Whether the predicting sampler reaches the target on this grid; empty where it did not run."""
    if PREDICTING not in short:
        return ""
    share = share_close(short[PREDICTING], grid.optimum_per_s)
    reached = "reached" if share >= TARGET_SHARE else "not reached"
    return f"{PREDICTING}: within {WITHIN:.0%} after {FEW} restarts in {share:.0%} of seeds, target 95%: {reached}"


def quantile(values: Sequence[float], level: float) -> float:
    """The smallest of the values that at least a fraction ``level`` of them does not exceed; infinite ones count."""
    return sorted(values)[max(0, math.ceil(round(level * len(values), 9)) - 1)]


def _after(per_s: Sequence[float], restarts: int) -> float:
    """The rate after so many restarts; a study may end before."""
    return per_s[min(restarts, len(per_s)) - 1]


def _share(rates_per_s: Sequence[float], optimum_per_s: float) -> float:
    """The fraction of these rates that is within 3% of the optimum."""
    return float(np.mean([rate >= (1 - WITHIN) * optimum_per_s for rate in rates_per_s]))


def _regrets(replays: Sequence[Replay], restarts: int, optimum_per_s: float) -> str:
    regrets = [regret(each, restarts, optimum_per_s) for each in replays]
    return f"{quantile(regrets, 0.5):.1%} ({quantile(regrets, 0.95):.1%})"


def _number(value: float, longest: float) -> str:
    return f"{value:.0f}" if math.isfinite(value) else f"over {longest:.0f}"
