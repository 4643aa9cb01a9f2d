"""What each rule of prediction is worth: replays with each switched off in turn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from autotune.prediction import (
    PredictionOptions,
    Predictor,
    Residual,
    _correction,
    _service_times,
    _simulated_space,
    _simulations,
)
from autotune.search import StudyPlan
from autotune.search._experience import Experience
from benchmarks.replay._grid import Grid
from benchmarks.replay._replay import replay
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


def deliver(grids: Mapping[str, Grid], seeds: int, noise: float, rule: str = "") -> dict[str, Delivered]:
    """By grid; with a rule of `RULES` switched off where one is named."""
    found = {}
    for name, grid in grids.items():
        with _without(rule):
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
        if rule:
            changes = dict(RULES[rule])
            options = {name: changes.pop(name) for name in list(changes) if isinstance(name, str)}
            of_model = partial(Predictor.of_model, options=replace(PredictionOptions(), **options))
            stack.enter_context(patch.object(Predictor, "of_model", of_model))
            for (where, name), value in changes.items():
                stack.enter_context(patch.object(where, name, value))
        yield


_floored = _simulations._floored
_predict = Residual.predict


def _equal_floor(values: NDArray[np.float64], over: NDArray[np.float64], worst: float, *, maximise: bool) -> Any:
    return _floored(values, np.ones(len(over)), worst, maximise=maximise)


def _uncorrected(self: Residual, features: Any, beside: Any = None) -> Any:
    mean, deviation = _predict(self, features, beside)
    return 0 * mean, deviation


_SPACE = _simulated_space.SimulatedSpace
RULES: dict[str, dict[Any, Any]] = {
    "batch sizes asked for": {
        (_service_times, "_LEARNT_FROM"): tuple(each for each in _service_times._LEARNT_FROM if each != "sizes")
    },
    "gap between executions": {(_service_times, "_gap_s"): lambda windows: 0.0},
    "contention": {(_service_times, "_contention"): lambda windows, alone_s: 0.0},
    "shared part capped by departures": {(_service_times, "_apart"): lambda windows: []},
    "outputs after the device": {(_service_times, "_outputs_part"): lambda windows, unknown: 0.0},
    "CPU demand": {(_service_times, "_cpu_s"): lambda windows, at_least: (0.0, 0.0)},
    "overhead of the calmest windows": {(_service_times, "_calmest"): lambda screens: screens},
    "executions vary": {"varies_by": 1e-9},
    "requests far apart": {(_SPACE, "_checked_alone"): lambda self, batching, service, prediction: prediction},
    "closed loop: several limits": {"limit_factors": (1.0,)},
    "closed loop: smaller errors": {"deviation_closed": PredictionOptions().deviation},
    "infeasible in proportion": {(_simulations, "_floored"): _equal_floor},
    "best simulated again": {"fine_configs": 0},
    "correction by measured trials": {(Residual, "predict"): _uncorrected},
    "pruned trials correct": {"pruned_margin": -math.inf},
    "penalty near failures": {"failed_penalty": 0.0, "infeasible_penalty": 0.0},
    "values that never work": {(_correction, "failing_values"): lambda outcomes: {}},
    "promised wins that came": {"prior_wins": 1e9},
    "refinements: half the deviation": {"refined_part": 1.0},
    "deviation beside the incumbent": {
        (Residual, "predict"): lambda self, features, beside=None: _predict(self, features)
    },
    "simulation set aside": {"pairs_to_distrust": math.inf},
    "finalists by smoothed values": {(Experience, "estimates"): lambda self, trials: {}},
}
"""Rules by name: what to change in the options, or in place of which attribute, to switch each off."""


def summary(found: Mapping[str, Mapping[str, Delivered]]) -> str:
    """A Markdown table: the share of studies within 3% over all grids, and the mean regret, by rule."""
    lines = ["| switched off | within 3% | mean regret |", "|---|---|---|"]
    for rule, by_grid in found.items():
        seeds = sum(each.seeds for each in by_grid.values())
        within = sum(each.within for each in by_grid.values())
        regret = math.fsum(each.regret for each in by_grid.values()) / len(by_grid)
        lines.append(f"| {rule or 'nothing'} | {within / seeds:.1%} of {seeds} | {regret:.2%} |")
    return "\n".join(lines)
