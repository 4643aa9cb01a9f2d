"""How often a study tells a gain where there is none.

Every config carries the same, and a trial errs by some percent: whatever a study delivers is no better than the config
it began with, and a gain whose interval lies above 1 is false. The product's own coordinator runs, with its finals, on
a recorded grid whose rates are all made one; candidates are drawn at random, so that as many as there may be come
close. With 95% confidence at most one study in twenty may tell such a gain.

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
    print("| a trial errs by | studies | told a gain | of those, told at most |")
    print("|---|---|---|---|")
    for error in map(float, arguments.errors.split(",")):
        studies = replays(grid, ["random"], arguments.seeds, RESTARTS, error, ROUNDS)["random"]
        told = [study.gain.value for study in studies if study.gain is not None and study.gain.low > 1]
        most = f"{max(told):.2f} times" if told else ""
        print(f"| {error:.0%} | {len(studies)} | {len(told) / len(studies):.1%} | {most} |", flush=True)


def flat(grid: Grid) -> Grid:
    """The grid, but every config carries what the best one does."""
    rate_per_s = grid.optimum_per_s
    starts = [replace(each, rate_per_s=rate_per_s) for each in grid.starts]
    return replace(grid, rates_per_s=[rate_per_s] * grid.space.size, starts=starts)


if __name__ == "__main__":
    main()
