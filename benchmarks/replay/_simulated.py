"""How close the simulation comes to a recorded grid: fed by the profiles of its starts, corrected by nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from autotune.prediction import Window, service_times
from autotune.simulator import Batching, ServiceTimes, highest_rates
from benchmarks.replay._grid import Grid
from benchmarks.replay._windows import unpacked

GOOD = 0.7
"""Of the best rate: configs that come to less do not matter to a search."""


@dataclass(frozen=True)
class Closeness:
    """Simulated against recorded rates, of the configs that come to `GOOD` of the best and more.

    Attributes:
        configs: How many these are.
        bias: Mean of the logarithm of simulated by recorded.
        spread: Its standard deviation.
        rank_correlation: Spearman's.
        regret: Fraction of the best rate that the config with the best simulated rate lacks.
    """

    configs: int
    bias: float
    spread: float
    rank_correlation: float
    regret: float


def closeness(grid: Grid, varies_by: float | None = None) -> Closeness:
    """Of the grid's rates and those simulated.

    Args:
        grid: Of one model, with the rates that its configs are likely to sustain.
        varies_by: Standard deviation of the logarithm of the time of executions; the product's own unless given.
    """
    recorded = np.array(grid.rates_per_s)
    simulated = _simulated(grid, varies_by)
    good = recorded >= GOOD * recorded.max()
    ratio = np.log(simulated[good] / recorded[good])
    return Closeness(
        configs=int(good.sum()),
        bias=float(ratio.mean()),
        spread=float(ratio.std()),
        rank_correlation=float(spearmanr(simulated[good], recorded[good]).statistic),
        regret=float(1 - recorded[np.argmax(simulated)] / recorded.max()),
    )


def learnt(grid: Grid, largest_batch: int) -> ServiceTimes:
    """How long executions of 1 to ``largest_batch`` items take, by the windows of the grid's starts.

    Raises:
        SystemExit: They hold no execution.
    """
    base = grid.subject.base.asked
    configs = {candidate.key: grid.configs_of(candidate).asked for candidate in grid.space.candidates()}
    windows = [
        Window(config.instance_count, probe, batching.max_queue_delay_s)
        for start in grid.starts
        if (config := configs.get(start.key, base)).instance_count and (batching := Batching.of(config))
        for probe in unpacked(start.windows)
    ]
    service = service_times(windows, largest_batch)
    if service is None:
        raise SystemExit(f"{grid.subject.name}: its windows hold no execution; record it again")
    return service


def _simulated(grid: Grid, varies_by: float | None) -> NDArray[np.float64]:
    """Inferences/s of each candidate in the space's order; next to nothing where no rate keeps the ceiling."""
    requests = grid.subject.requests
    configs = [grid.configs_of(candidate).asked for candidate in grid.space.candidates()]
    batchings = [batching for config in configs if (batching := Batching.of(config, requests))]
    service = learnt(grid, max(each.max_batch_size for each in batchings))
    if varies_by is not None:
        service = service.varying(varies_by)
    distinct = list(dict.fromkeys(batchings))
    predicted = highest_rates(distinct, service, grid.subject.objective.ceilings)
    rates = dict(zip(distinct, (each.rate_per_s for each in predicted), strict=True))
    return np.maximum([rates[each] for each in batchings], 1.0)
