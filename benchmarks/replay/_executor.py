"""Executes trials by looking them up: the coordinator and its samplers notice no difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autotune.measurement import MeasureOptions
from autotune.outcome import TrialOutcome
from autotune.search import Trial, TrialWatch
from benchmarks.replay._grid import Grid
from benchmarks.replay._outcomes import outcome
from benchmarks.replay._windows import profile_s


@dataclass(frozen=True)
class LookupExecutor:
    """Answers with what was recorded, times a lognormal error that a measurement makes.

    Attributes:
        grid: What was recorded.
        noise: Standard deviation of the error's logarithm.
        seed: Draws the errors: one for each trial number, and for each round of the finals.
        speed: What this host measures, as a multiple of what was recorded.
    """

    grid: Grid
    noise: float
    seed: int
    speed: float = 1.0

    def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
        """See `autotune.search.Executor`.

        A trial that is checked against the incumbent is pruned if it measures less. It costs start, warm-up, screen and
        a whole window of the check, which mostly ends earlier on a server; other trials cost the recorded seconds and
        that window.
        """
        question = trial.question
        error = np.random.default_rng([self.seed, trial.number, question.seed]).normal(0.0, self.noise)
        measured_per_s = self.grid.rate_of(trial.candidate) * self.speed * float(np.exp(error))
        start = self.grid.start(trial.candidate) if question.profiled else None
        return outcome(
            self.grid.subject.objective,
            trial.candidate,
            trial.configs,
            measured_per_s,
            seconds=self._seconds(trial, measured_per_s),
            windows=start.windows if start else (),
            beat_per_s=question.beat_per_s,
        )

    def _seconds(self, trial: Trial, measured_per_s: float) -> float:
        grid, question = self.grid, trial.question
        start = grid.start(trial.candidate)
        if trial.candidate is not None:
            located_s = grid.seconds_of(trial.candidate)
        else:
            located_s = start.seconds - profile_s(start.windows) if start else 0.0
        profiled_s = profile_s(start.windows) if start and question.profiled else 0.0
        if question.beat_per_s is None or measured_per_s <= 0:
            return located_s + profiled_s
        options = MeasureOptions.of(grid.probe_s)
        race_s = options.window_s(options.probe_s, question.beat_per_s, grid.subject.objective)
        return profiled_s + race_s + (grid.unlocated_s if measured_per_s < question.beat_per_s else located_s)
