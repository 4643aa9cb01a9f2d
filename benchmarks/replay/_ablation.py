"""What each rule of prediction is worth: replays with each switched off in turn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from autotune.prediction import _predictor, _service_times, _simulated_space
from autotune.prediction._residual import Residual
from autotune.search import StudyPlan
from autotune.search._experience import Experience
from autotune.search._score import best_of, score
from autotune.search.samplers import _strategies
from benchmarks.replay._grid import Grid
from benchmarks.replay._replay import replay
from benchmarks.replay._simulations import remembered
from benchmarks.replay._table import FEW, PREDICTING, WITHIN


@dataclass(frozen=True)
class Delivered:
    """What studies of `FEW` trials deliver on a grid after their final comparison.

    Attributes:
        within: How many deliver a config within 3% of the best.
        regret: By what fraction of the best rate the delivered configs are worse, on average.
        seeds: Studies.
    """

    within: int
    regret: float
    seeds: int


def deliver(grids: Mapping[str, Grid], seeds: int, noise: float, arrivals: int, rule: str = "") -> dict[str, Delivered]:
    """By grid; with a rule of `RULES` switched off where one is named."""
    found = {}
    for name, grid in grids.items():
        with remembered(arrivals), _without(rule):
            error = noise if grid.noise is None else grid.noise
            best = grid.optimum_per_s
            replays = [replay(grid, PREDICTING, seed, FEW, error, StudyPlan.final_rounds) for seed in range(seeds)]
            parts = np.array([each.delivered_per_s / best for each in replays])
            within = int((parts >= 1 - WITHIN).sum())
            found[name] = Delivered(within, round(float(1 - parts.mean()), 4), seeds)
    return found


@contextmanager
def _without(rule: str) -> Iterator[None]:
    with ExitStack() as stack:
        for where, name, value in RULES[rule] if rule else ():
            stack.enter_context(patch.object(where, name, value))
        yield


_floored = _simulated_space._floored
_predict = Residual.predict
_error = _predictor.Predictor._error


def _equal_floor(values: NDArray[np.float64], missed_by: NDArray[np.float64], *, maximise: bool) -> NDArray[np.float64]:
    return _floored(values, np.ones(len(values)), maximise=maximise)


def _uncorrected(self: Residual, features: Any, beside: Any = None) -> Any:
    mean, spread = _predict(self, features, beside)
    return 0 * mean, spread


def _one_device_fraction(windows: Sequence[Any], alone_s: NDArray[np.float64]) -> NDArray[np.float64]:
    waiting = sorted(_service_times._waiting(windows, alone_s))
    if not waiting:
        return np.zeros(len(alone_s))
    at, fraction, weight = (np.array(column) for column in zip(*waiting, strict=True))
    merged, values = _service_times._merged(np.log(at), fraction, weight)
    return np.asarray(np.interp(np.log(np.arange(1, len(alone_s) + 1)), merged, values) * alone_s)


def _measured_best(self: Experience, trials: Sequence[Any]) -> float | None:
    best = best_of(trials, self._plan.objective)
    return None if best is None else score(best.outcome, self._plan.objective)


RULES: dict[str, list[tuple[Any, str, Any]]] = {
    "gap between executions": [(_service_times, "_gap_s", lambda windows: 0.0)],
    "contention": [(_service_times, "_contention", lambda windows, alone_s: 0.0)],
    "shared part along a line, capped": [(_service_times, "_device_s", _one_device_fraction)],
    "shared part capped by departures": [(_service_times, "_apart", lambda windows: [])],
    "outputs after the device": [(_service_times, "_handed_out", lambda windows: 0.0)],
    "CPU demand": [(_service_times, "_cpu_s", lambda windows: (0.0, 0.0))],
    "overhead of the calmest windows": [(_service_times, "_calmest", lambda screens: screens)],
    "executions vary": [(_service_times, "_VARIES_BY", 1e-9)],
    "requests far apart": [
        (_simulated_space.SimulatedSpace, "_checked_alone", lambda self, batching, service, prediction: prediction)
    ],
    "closed loop: several limits": [(_simulated_space, "_DOUBTS", (1.0,))],
    "closed loop: smaller errors": [(_predictor, "_SCALE_CLOSED", _predictor._SCALE)],
    "infeasible in proportion": [(_simulated_space, "_floored", _equal_floor)],
    "best simulated again": [(_simulated_space, "_FINE", 0)],
    "correction by measured trials": [(Residual, "predict", _uncorrected)],
    "pruned trials correct": [
        (
            _predictor.Predictor,
            "_error",
            lambda self, outcome, simulated: _error(self, outcome, simulated) if outcome.feasible else None,
        )
    ],
    "penalty near failures": [(_predictor.Predictor, "_penalty", lambda self, outcome, index: 0.0)],
    "values that never work": [(_predictor, "failing_values", lambda outcomes: {})],
    "promised wins that came": [(_predictor.Predictor, "_wins_come_true", lambda self, outcomes: 1.0)],
    "refinements: half the deviation": [
        (_predictor.Predictor, "_hope", lambda self: np.maximum(self._apart, 1e-9)),
    ],
    "deviation beside the incumbent": [
        (Residual, "predict", lambda self, features, beside=None: _predict(self, features)),
    ],
    "simulation set aside": [(_predictor.Predictor, "_doubt", lambda self, outcomes: "")],
    "fewest instances first": [
        (_strategies, "_fewest_instances_first", lambda predictor, ranked, promised: iter(ranked)),
    ],
    "incumbent smoothed": [(Experience, "best_value", _measured_best)],
    "finalists by smoothed values": [(Experience, "estimates", lambda self, trials: {})],
}
"""Rules by name, and what to put in place of which attribute to switch each off."""


def summary(found: Mapping[str, Mapping[str, Delivered]]) -> str:
    """A Markdown table: the share of studies within 3% over all grids, and the mean regret, by rule."""
    lines = ["| switched off | within 3% | mean regret |", "|---|---|---|"]
    for rule, by_grid in found.items():
        seeds = sum(each.seeds for each in by_grid.values())
        within = sum(each.within for each in by_grid.values())
        regret = math.fsum(each.regret for each in by_grid.values()) / len(by_grid)
        lines.append(f"| {rule or 'nothing'} | {within / seeds:.1%} of {seeds} | {regret:.2%} |")
    return "\n".join(lines)
