"""What the simulator says of configs against what they do on a real server.

Profiles a model as a study does (its own config, Triton's default batching, the largest batch, and that with the most
instances), fits the service times, and predicts configs drawn at random from the default space. Then each is served by
a fresh embedded Triton: its highest rate is located, and one open-loop window below 80% of that gives throughput and
p99 to compare. Nothing is corrected by what was measured: this is the simulation alone.

    python benchmarks/simulator_accuracy.py --model accelerator --p99 20ms [--configs 40] [--seed 0]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from autotune.load import PoissonRate
from autotune.measurement import Deployment, Measurement, MeasureOptions, Meter, Probe, Question, run_probe
from autotune.objective import Ceiling, Objective, parse_duration
from autotune.prediction import Window, service_times
from autotune.repository import ModelConfig, ModelRepository, completed_config
from autotune.search import starts
from autotune.server import LaunchOptions, choose_launcher
from autotune.simulator import Batching, ServiceTimes, highest_rates, simulate
from autotune.space import SearchSpace

REPOSITORY = Path(__file__).parent.parent / "model_repository"
BELOW_SATURATION = 0.7
WINDOW_S = 3.0
LOCATED = Question(certified=False, effort=0.35)
TARGETS = {"throughput": 0.05, "p99": 0.10, "rank correlation": 0.9}


def main() -> None:
    """Prints one line a config and the errors over all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="accelerator")
    parser.add_argument("--p99", default="20ms")
    parser.add_argument("--configs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--launch", default="embedded")
    arguments = parser.parse_args()
    ceiling = Ceiling("p99", parse_duration(arguments.p99, "--p99"))
    spec = ModelRepository(REPOSITORY).model(arguments.model)
    base = completed_config(spec)
    space, _ = SearchSpace.default().restricted_to(spec)
    launcher, _ = choose_launcher(arguments.launch, LaunchOptions())
    with tempfile.TemporaryDirectory() as directory:
        deployment = Deployment(spec, launcher, Path(directory))
        service = profiled(deployment, base, space, ceiling)
        every = list(space.candidates())
        drawn = np.random.default_rng(arguments.seed).choice(len(every), arguments.configs, replace=False)
        configs = [space.apply(every[index], base) for index in drawn]
        batchings = [batching for config in configs if (batching := Batching.of(config))]
        predicted = [each.rate_per_s for each in highest_rates(batchings, service, (ceiling,), requests=40_000)]
        rows = []
        for number, (config, batching, rate) in enumerate(zip(configs, batchings, predicted, strict=True)):
            measured, window = on_a_server(deployment, config, ceiling, arguments.seed + number)
            if window is None:
                print(f"{batching}: does not keep {ceiling} at any rate; predicted {rate:.0f}", flush=True)
                continue
            row = compared(batching, service, window, measured.rate_per_s, rate, arguments.seed)
            rows.append(row)
            print(
                f"located {row[0]:7,.0f} predicted {row[1]:7,.0f} ({row[1] / row[0] - 1:+.0%});"
                f" at {window.asked_per_s:6,.0f}/s p99 {row[2] * 1e3:5.1f} ms predicted {row[3] * 1e3:5.1f} ms"
                f" ({row[3] / row[2] - 1:+.0%}); {batching}",
                flush=True,
            )
    report(np.array(rows))


def profiled(deployment: Deployment, base: ModelConfig, space: SearchSpace, ceiling: Ceiling) -> ServiceTimes:
    """The service times that the starts of a study show."""
    windows: list[Window] = []
    largest = 1
    for start in starts(deployment.spec, base, space, simulates=True, ready=False):
        measured, _ = on_a_server(deployment, start.config, ceiling, seed=0, question=replace(LOCATED, profiled=True))
        largest = max(largest, start.config.max_batch_size)
        if start.config.instance_count:
            windows += [Window(start.config.instance_count, probe) for probe in measured.probes]
    service = service_times(windows, largest)
    if service is None:
        raise SystemExit("the windows of the profile hold no execution")
    return service


def on_a_server(
    deployment: Deployment, config: ModelConfig, ceiling: Ceiling, seed: int, question: Question = LOCATED
) -> tuple[Measurement, Probe | None]:
    """What a fresh server with that config carries, and a window well below it; none where it carries nothing."""
    objective = Objective("throughput", (ceiling,))
    with deployment.serve(config, deployment.directory / "accuracy.log") as served:
        meter = Meter(served.server, served.generator, objective, MeasureOptions.of(1.0, seed))
        measured = meter.measure(question)
        if not measured.feasible:
            return measured, None
        window = run_probe(
            served.server,
            served.generator,
            PoissonRate(BELOW_SATURATION * measured.rate_per_s, seed=seed),
            purpose="load",
            duration_s=WINDOW_S,
            timeout_s=2.0,
            ceilings=(ceiling,),
        )
        return measured, window


def compared(
    batching: Batching, service: ServiceTimes, window: Probe, located: float, predicted: float, seed: int
) -> tuple[float, float, float, float, float, float]:
    """Located and predicted rate, p99 of the window measured and simulated, and its throughput likewise."""
    arrivals_s = PoissonRate(window.asked_per_s, seed=seed).arrivals(WINDOW_S)
    found = simulate(batching, service, arrivals_s, seed)
    p99_s = float(np.quantile(found.latency_s, 0.99))
    return located, predicted, window.latency_s["p99"], p99_s, window.achieved_per_s, found.carried_per_s


def report(rows: NDArray[np.float64]) -> None:
    """Prints median and worst errors beside the targets."""
    located, predicted, p99_s, simulated_p99_s, carried, simulated_carried = rows.T
    errors = {
        "throughput": np.abs(simulated_carried / carried - 1),
        "p99": np.abs(simulated_p99_s / p99_s - 1),
        "highest rate": np.abs(predicted / located - 1),
    }
    print(f"\n| over {len(rows)} configs | median error | 90th percentile | target |")
    print("|---|---|---|---|")
    for name, error in errors.items():
        target = f"{TARGETS[name]:.0%}" if name in TARGETS else "-"
        print(f"| {name} | {statistics.median(error):.1%} | {np.quantile(error, 0.9):.1%} | {target} |")
    correlation = spearmanr(located, predicted).statistic
    print(f"| rank correlation of the highest rates | {correlation:.2f} | - | {TARGETS['rank correlation']:.1f} |")


if __name__ == "__main__":
    main()
