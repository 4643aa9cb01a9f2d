"""What exported configs sustain under the ceiling, by perf_analyzer, on fresh servers in turn."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autotune.load import ClosedLoop
from autotune.measurement import Deployment
from autotune.objective import Ceiling
from autotune.repository import ConfigSet

TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Load:
    """One concurrency: what was completed, and at which p99."""

    concurrency: int
    rate_per_s: float
    p99_s: float
    failed: int


@dataclass(frozen=True)
class Sweep:
    """One fresh server under rising concurrency.

    Attributes:
        loads: In the order they were offered.
        best: The load with the most inferences/s among those under the ceiling; None without one.
    """

    loads: tuple[Load, ...]
    best: Load | None

    @property
    def rate_per_s(self) -> float:
        """Inferences/s under the ceiling; 0 where no load kept it."""
        return self.best.rate_per_s if self.best else 0.0


def judge(
    configs: Mapping[str, ConfigSet],
    deployment: Deployment,
    ceiling: Ceiling,
    *,
    rounds: int,
    concurrencies: Sequence[int],
    window_s: float,
) -> dict[str, list[Sweep]]:
    """Each config's sweeps, one a round, the configs taking turns; prints a line for each.

    Args:
        configs: What each search exported, by its name.
        deployment: Model and launcher; its traffic names perf_analyzer as the client.
        ceiling: What must be kept.
        rounds: Fresh servers for each config.
        concurrencies: Requests outstanding, ascending.
        window_s: Seconds a load is measured for.
    """
    sweeps: dict[str, list[Sweep]] = {name: [] for name in configs}
    for number in range(rounds):
        for name, exported in configs.items():
            found = sweep(exported, deployment, ceiling, concurrencies, window_s)
            sweeps[name].append(found)
            where = f"at concurrency {found.best.concurrency}" if found.best else "at no concurrency"
            print(f"round {number + 1}: {name} {found.rate_per_s:,.0f} inferences/s {where}", flush=True)
    return sweeps


def sweep(
    configs: ConfigSet, deployment: Deployment, ceiling: Ceiling, concurrencies: Sequence[int], window_s: float
) -> Sweep:
    """One fresh server under each concurrency, until half of the requests are over the ceiling.

    In a closed loop latency grows with concurrency: from there on, no higher one keeps the ceiling. A pause of the
    machine may do that too, so that such a load is offered once more.
    """
    loads: list[Load] = []
    with deployment.serve(configs, deployment.directory / "referee.log") as served:
        for concurrency in concurrencies:
            run = served.generator.run(ClosedLoop(concurrency), window_s, TIMEOUT_S)
            if not run.percentile_s(0.5) <= ceiling.limit_s:
                run = served.generator.run(ClosedLoop(concurrency), window_s, TIMEOUT_S)
            loads.append(Load(concurrency, run.achieved_per_s, run.percentile_s(ceiling.quantile), run.failed))
            if not run.percentile_s(0.5) <= ceiling.limit_s:
                break
    kept = [load for load in loads if load.p99_s <= ceiling.limit_s and not load.failed]
    return Sweep(tuple(loads), max(kept, key=lambda load: load.rate_per_s, default=None))


def median_per_s(sweeps: Sequence[Sweep]) -> float:
    """The median over the rounds of the inferences/s under the ceiling."""
    return statistics.median(each.rate_per_s for each in sweeps)
