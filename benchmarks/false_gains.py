"""How often a study reports a gain where there is none.

Every config sustains the same, and trials scatter by some percent: whatever a study delivers is no better than the
config it began with, and a gain whose interval lies above 1 is false. The product's own coordinator runs, with its
final comparison, on a recorded grid whose rates are all made one; candidates are drawn at random, so that as many as
there may be come close. With 95% confidence at most one study in twenty may report such a gain.

    python -m benchmarks.false_gains [--seeds 800] [--errors 0.02,0.05,0.3]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import optuna

from benchmarks.replay._grid import Grid
from benchmarks.replay._replay import replays

GRID = Path(__file__).parent / "replay" / "grids" / "accelerator_slow.json"
RESTARTS, ROUNDS = 8, 3


def main() -> None:
    """Prints a Markdown table, a row for each error of a trial."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=800)
    parser.add_argument("--errors", default="0.02,0.05,0.3", help="standard deviations of the logarithms of rates")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    grid = flat(Grid.read(GRID))
    print("| trials scatter by | studies | reported a gain | largest gain reported |")
    print("|---|---|---|---|")
    for error in map(float, arguments.errors.split(",")):
        studies = replays(grid, ["random"], arguments.seeds, RESTARTS, error, ROUNDS)["random"]
        reported = [study.gain.value for study in studies if study.gain is not None and study.gain.low > 1]
        most = f"{max(reported):.2f} times" if reported else ""
        print(f"| {error:.0%} | {len(studies)} | {len(reported) / len(studies):.1%} | {most} |", flush=True)


def flat(grid: Grid) -> Grid:
    """The grid, but every config sustains the rate of the best one."""
    rate_per_s = grid.optimum_per_s
    starts = [replace(each, rate_per_s=rate_per_s) for each in grid.starts]
    return replace(grid, rates_per_s=[rate_per_s] * grid.space.size, starts=starts)


if __name__ == "__main__":
    main()
