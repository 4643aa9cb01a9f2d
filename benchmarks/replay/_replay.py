"""Replays studies: the product's own coordinator, store, samplers and finals, with a grid in place of servers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import optuna

from autotune.environment import Environment
from autotune.measurement.statistics import Ratio
from autotune.search import Coordinator, SilentObserver, StudyPlan, score
from autotune.store import Store
from benchmarks.replay._executor import LookupExecutor
from benchmarks.replay._grid import Grid
from benchmarks.replay._workers import SimulatedWorkers

_NOWHERE = Environment("", 0, 1, 1.0, 0, (), "", "", "")


class MemoryStore(Store):
    """A store in memory, Optuna's trials besides; to be opened with ``open("sqlite://")``."""

    def optuna_storage(self) -> optuna.storages.RDBStorage:
        """Optuna's storage in memory; one in a database takes most of a replay's time."""
        return cast("optuna.storages.RDBStorage", optuna.storages.InMemoryStorage())


@dataclass(frozen=True)
class Replay:
    """What a study found.

    Attributes:
        sampler: What proposed.
        seed: Its seed.
        chosen_per_s: After each restart, the recorded rate of the config that had measured best so far; 0 for none.
        tried_per_s: After each restart, the highest recorded rate of any config that was tried and kept the ceiling.
        elapsed_s: Seconds from the start until then.
        stopped: Why it ended.
        delivered_per_s: The recorded rate of the config that it delivers, after its finals where they were held.
        gain: The gain over the baseline that it reports; None if it reports none.
    """

    sampler: str
    seed: int
    chosen_per_s: Sequence[float]
    tried_per_s: Sequence[float]
    elapsed_s: Sequence[float]
    stopped: str
    delivered_per_s: float
    gain: Ratio | None = None


def replay(
    grid: Grid, sampler: str, seed: int, restarts: int, noise: float, final_rounds: int = 0, workers: int = 1
) -> Replay:
    """One study on the grid.

    Args:
        grid: What was recorded.
        sampler: What proposes.
        seed: Of the sampler, the simulated arrivals and the errors of measurements.
        restarts: Trials at most; each is a restart of the server.
        noise: Standard deviation of the logarithm of a measurement's error.
        final_rounds: Rounds of the final comparison, each with errors of its own; 0 for none.
        workers: Trials that run at a time.
    """
    plan = StudyPlan(
        name="replay",
        models=grid.subject.models,
        space=grid.space,
        objective=grid.subject.objective,
        sampler=sampler,
        seed=seed,
        trials=restarts,
        time_budget_s=None,
        final_rounds=final_rounds,
        requests=grid.subject.requests,
    )
    store = MemoryStore.open("sqlite://")  # a new one for each study: nothing is known from earlier ones
    executor = LookupExecutor(grid, noise, seed)
    pool = SimulatedWorkers(executor, workers)
    try:
        result = Coordinator(plan, store, executor, _NOWHERE, SilentObserver(), pool.clock, pool).run()
    finally:
        store.close()
    rates_per_s = [grid.rate_of(trial.outcome.candidate) for trial in result.trials]
    chosen_per_s, best, rate_per_s = [], 0.0, 0.0
    for trial, sustained_per_s in zip(result.trials, rates_per_s, strict=True):
        value = score(trial.outcome, result.objective)
        if value > best:
            best, rate_per_s = value, sustained_per_s
        chosen_per_s.append(rate_per_s)
    return Replay(
        sampler,
        seed,
        chosen_per_s,
        tried_per_s=np.maximum.accumulate(rates_per_s).tolist(),
        elapsed_s=list(pool.ended_s.values()),
        stopped=result.stopped,
        delivered_per_s=grid.rate_of(result.best.outcome.candidate) if result.best else 0.0,
        gain=result.interval,
    )


def replays(
    grid: Grid, samplers: Iterable[str], seeds: int, restarts: int, noise: float, final_rounds: int = 0
) -> dict[str, list[Replay]]:
    """Studies with every sampler and seed, by sampler."""
    return {
        sampler: [replay(grid, sampler, seed, restarts, noise, final_rounds) for seed in range(seeds)]
        for sampler in samplers
    }
