"""How often `autotune check` fails a config that is not slower than allowed, on the simulated server.

Each check serves two configs in turns on simulated servers whose speed differs from start to start and drifts, as on a
shared machine, and decides with `--fail-if-slower 5%`. A config that is as fast as the baseline, or slower by just the
5%, should fail at most one check in twenty; one that is 20% slower should fail most checks.

    python -m benchmarks.false_failures [--checks 1000] [--rounds 5] [--output FILE]
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from autotune.environment import Environment
from autotune.load import ClosedLoop
from autotune.measurement import Deployment, MeasureOptions
from autotune.objective import Ceiling, LoadName, Objective
from autotune.repository import ConfigSet, ModelConfig
from autotune.search import BASELINE, SilentObserver
from autotune.search.comparison import OURS, ComparisonResult, Gate, Measurer, Metric, gate, measure_in_turns
from tests.fakes.simulated_deployment import Machine, SimulatedDeployment

if TYPE_CHECKING:
    from autotune.outcome import TrialOutcome

ALLOWED = 0.05
SERVICE_S = 0.004
WINDOW_S = 0.3
MACHINES = {"quiet machine": (0.01, 0.02), "shared machine": (0.05, 0.2), "noisy machine": (0.15, 0.3)}
"""Standard deviations of the logarithm of the service time: from start to start, and of the drift."""

LOADS: tuple[LoadName, ...] = ("open", "closed")
_HERE = Environment("simulated", 1, 1, 1.0, 1, (), "", "", "")


@dataclass(frozen=True)
class Figure:
    """One line of `benchmarks/results/false_failures.json`."""

    name: str
    value: float
    unit: str = "%"
    at_most: float | None = None

    def __str__(self) -> str:
        return f"{self.name}: {self.value:g}{self.unit}"


def main() -> None:
    """Prints a line for each figure, and writes them if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--checks", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, help="adds the figures to this file of benchmarks/results")
    arguments = parser.parse_args()
    figures = []
    for name, (start, drift) in MACHINES.items():
        for slower in (0.0, 0.05):
            share = failures(slower, start, drift, arguments.checks, arguments.rounds)
            figures.append(Figure(f"{name}, config {slower:.0%} slower: checks that failed", share, at_most=5))
            print(figures[-1], flush=True)
    for name in ("quiet machine", "shared machine"):
        share = failures(0.2, *MACHINES[name], arguments.checks, arguments.rounds)
        figures.append(Figure(f"{name}, config 20% slower: checks that failed", share))
        print(figures[-1], flush=True)
    for load in LOADS:
        checks = max(1, arguments.checks // 5)
        share = failures(0.0, *MACHINES["shared machine"], checks, arguments.rounds, searched=load)
        name = f"shared machine, highest {load}-loop load under p99, config 0% slower: checks that failed"
        figures.append(Figure(name, share, at_most=5))
        print(figures[-1], flush=True)
    if arguments.output:
        document = json.loads(arguments.output.read_text(encoding="utf-8")) if arguments.output.exists() else {}
        document["figures"] = [{k: v for k, v in asdict(each).items() if v is not None} for each in figures]
        arguments.output.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def failures(
    slower: float,
    start: float,
    drift: float,
    checks: int,
    rounds: int,
    *,
    searched: LoadName | None = None,
    seed: int = 0,
) -> float:
    """Percentage of checks that fail.

    Args:
        slower: The fraction by which the config's throughput is lower than the baseline's.
        start: Deviation from start to start.
        drift: Deviation of the drift.
        checks: How many.
        rounds: Of each check.
        searched: The kind of the load if the highest one under a ceiling is compared; None for concurrency 8.
        seed: Of the first check.
    """
    failed = sum(_fails(slower, start, drift, rounds, searched, seed + number) for number in range(checks))
    return round(100 * failed / checks, 1)


def _fails(slower: float, start: float, drift: float, rounds: int, searched: LoadName | None, seed: int) -> bool:
    machine = Machine(np.random.default_rng(seed), start, drift)
    ours = SimulatedDeployment(SERVICE_S / (1 - slower), machine)
    served = {OURS: ours, BASELINE: SimulatedDeployment(SERVICE_S, machine)}
    configs = ConfigSet.of(ModelConfig.empty("net"))
    ceilings = (Ceiling("p99", 15 * SERVICE_S),) if searched else ()
    metric = Metric("the highest rate that meets the SLO" if searched else "concurrency 8", ceilings)

    def save(label: str, outcome: TrialOutcome, probes: object) -> None: ...

    measurer = Measurer(
        {name: (cast("Deployment", each), configs) for name, each in served.items()},
        metric,
        Objective("throughput", ceilings, load=searched) if searched else None,
        () if searched else (ClosedLoop(8),),
        MeasureOptions.of(WINDOW_S, seed),
        WINDOW_S,
        Path(),
        SilentObserver(),
        save,
    )
    contenders = ()
    for measured in measure_in_turns({name: {} for name in served}, rounds, measurer):
        contenders = measured
    result = ComparisonResult("net", metric, contenders, _HERE)
    return gate(result, OURS, BASELINE, ALLOWED) is Gate.SLOWER


if __name__ == "__main__":
    main()
