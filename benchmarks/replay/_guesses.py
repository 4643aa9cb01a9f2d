"""Estimates of the rate that a config sustains, at which its search can begin."""

from __future__ import annotations

from dataclasses import replace

from autotune.outcome import TrialOutcome
from autotune.space import Candidate
from benchmarks.replay._outcomes import outcome
from benchmarks.replay._working import WorkingFile

# Learning takes seconds, in which nothing is measured.
_LEARN_AFTER = 1.3
_LEAST_PART = 0.05


class Guesses:
    """Simulated from the profiles of the starts, corrected by what was measured so far.

    Args:
        working: What was measured so far; read again as it grows.
    """

    def __init__(self, working: WorkingFile) -> None:
        self._working, self._subject, self._space = working, working.subject, working.space
        self._predictor = self._subject.predictor(self._space)
        self._candidates = list(self._space.candidates())
        self._learnt = 0

    def of(self, candidate: Candidate) -> float | None:
        """Inferences/s; None where nothing is known, or so little is expected that a guess could mislead."""
        if not self._learnt or len(self._working.entries) >= self._learnt * _LEARN_AFTER:
            outcomes = self._outcomes()
            # A pipeline's predictor knows only the candidates that it was given.
            several = self._candidates if outcomes and self._space.only is None else ()
            asked = [replace(outcomes[0], candidate=each, measurement=None) for each in several]
            self._predictor.learn(outcomes, elsewhere=asked)
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
            found.append(
                outcome(
                    self._subject.objective,
                    candidate,
                    self._space.apply(candidate, self._subject.base),
                    entry.rate_per_s,
                    seconds=entry.seconds,
                    windows=entry.windows,
                )
            )
        return found
