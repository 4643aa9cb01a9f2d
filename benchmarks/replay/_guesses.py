"""About what a config carries, so that looking for its rate can begin there."""

from __future__ import annotations

from autotune.objective import Objective
from autotune.outcome import TrialOutcome
from autotune.prediction import Predictor
from autotune.repository import ModelConfig
from autotune.space import Candidate, SearchSpace
from benchmarks.replay._outcomes import outcome
from benchmarks.replay._working import WorkingFile

# Learning takes seconds, in which nothing is measured.
_LEARN_AFTER = 1.3
_LEAST_PART = 0.05


class Guesses:
    """Simulated from the profiles of the starts, corrected by what was measured so far.

    Args:
        space: The grid's space.
        base: The config that candidates change.
        objective: What is looked for.
        working: What was measured so far; read again as it grows.
    """

    def __init__(self, space: SearchSpace, base: ModelConfig, objective: Objective, working: WorkingFile) -> None:
        self._space, self._base, self._objective, self._working = space, base, objective, working
        self._predictor = Predictor.of_model(space, base, objective)
        self._candidates = list(space.candidates())
        self._learnt = 0

    def of(self, candidate: Candidate) -> float | None:
        """Inferences/s; None where nothing is known, or so little is expected that a guess could mislead."""
        if not self._learnt or len(self._working.entries) >= self._learnt * _LEARN_AFTER:
            self._predictor.learn(self._outcomes())
            self._learnt = len(self._working.entries)
        forecast = self._predictor.forecast(candidate)
        best = max((entry.rate_per_s for entry in self._working.entries), default=0.0)
        return forecast.expected if forecast and forecast.simulated > _LEAST_PART * best else None

    def _outcomes(self) -> list[TrialOutcome]:
        found = []
        by_key = {candidate.key: candidate for candidate in self._candidates}
        for entry in self._working.entries:
            if entry.task == "config":
                candidate = self._candidates[int(entry.name)]
            elif entry.task == "start" and entry.key:
                candidate = by_key[entry.key]
            else:
                continue
            config = self._space.apply(candidate, self._base)
            found.append(
                outcome(
                    self._objective,
                    candidate,
                    config,
                    entry.rate_per_s,
                    seconds=entry.seconds,
                    windows=entry.windows,
                )
            )
        return found
