"""How much trials scatter: the best config of a grid, measured again and again as a study would."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from autotune.measurement import ROUGH_RATE, MeasureOptions
from autotune.outcome import TrialOutcome
from autotune.search import LocalExecutor, Trial, TrialWatch
from autotune.server import Launcher
from benchmarks.replay._grid import Grid


def repeats(
    grid: Grid, launcher: Launcher, count: int, on_trial: Callable[[TrialOutcome], None] = lambda outcome: None
) -> list[float]:
    """Inferences/s that trials of the grid's best config found, each on a fresh server, one right after the other.

    They ask what a study asks and take probes as long as a study's, so that they scatter as its trials do. A trial
    that found no rate is left out: a study would not choose by it.
    """
    subject = grid.subject
    candidate = next(each for each in grid.space.candidates() if grid.rate_of(each) == grid.optimum_per_s)
    found = []
    with tempfile.TemporaryDirectory(prefix="replay-") as name:
        directory = Path(name)
        deployment = subject.deployment(launcher, directory)
        executor = LocalExecutor(deployment, subject.objective, MeasureOptions(), directory / "logs")
        for number in range(count):
            question = replace(ROUGH_RATE, around_per_s=grid.optimum_per_s, seed=number)
            outcome = executor.execute(Trial(number, candidate, grid.configs_of(candidate), question), TrialWatch())
            on_trial(outcome)
            if outcome.feasible and outcome.measurement is not None:
                found.append(float(f"{outcome.measurement.rate_per_s:.4g}"))
    return found
