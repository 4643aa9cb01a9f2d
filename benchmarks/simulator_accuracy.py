"""What the simulator says of configs against what they do on a real server.

Profiles a model as a study does (its own config, Triton's default batching, the largest batch, and that with the most
instances), fits the service times, and predicts configs drawn at random from the default space. Then each is served by
a fresh embedded Triton: its highest rate is located, and one open-loop window below 80% of that gives throughput and
p99 to compare. Nothing is corrected by what was measured: this is the simulation alone.

Triton does not count by how much executions of one size vary, so that it is a constant of the product. With --varies-by
the same measurements are compared with simulations in which they vary by other standard deviations, too.

    python -m benchmarks.simulator_accuracy accelerator [--configs 40] [--seed 0] [--varies-by 0,0.05,0.1]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from autotune.load import PoissonRate
from autotune.measurement import Deployment, Measurement, MeasureOptions, Meter, Probe, Question, run_probe
from autotune.objective import Ceiling, Objective
from autotune.prediction import Window, service_times
from autotune.repository import ConfigSet, ModelConfig, completed_config
from autotune.search import starts
from autotune.server import LaunchOptions, choose_launcher
from autotune.simulator import Batching, ServiceTimes, Simulated, highest_rates, simulate
from autotune.space import JointSpace, SearchSpace
from benchmarks.replay._subjects import SUBJECTS

BELOW_SATURATION = 0.7
ATTEMPTS = 3
WINDOW_S = 3.0
LOCATED = Question(certified=False, effort=0.35)
TARGETS = {"throughput": 0.05, "p99": 0.10, "rank correlation": 0.9}


@dataclass(frozen=True)
class OnServer:
    """What one config did on a server of its own.

    Attributes:
        batching: How it batches.
        located_per_s: The highest rate that kept the ceiling.
        window: A window well below that.
    """

    batching: Batching
    located_per_s: float
    window: Probe


def main() -> None:
    """Prints one line a config and the errors over all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("subject", choices=SUBJECTS, help="a model and its timings, see benchmarks/replay")
    parser.add_argument("--p99", help="the ceiling, if not the subject's own")
    parser.add_argument("--configs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--varies-by", type=_numbers, default=(), help="standard deviations to simulate with, too")
    parser.add_argument("--launch", default="embedded")
    arguments = parser.parse_args()
    subject = SUBJECTS[arguments.subject]
    subject = replace(subject, p99=arguments.p99 or subject.p99)
    spec, (ceiling,) = subject.spec, subject.objective.ceilings
    base = completed_config(spec)
    space, _ = SearchSpace.default().coarse.restricted_to(spec)
    launcher, _ = choose_launcher(arguments.launch, LaunchOptions())
    every = list(space.candidates())
    drawn = np.random.default_rng(arguments.seed).choice(len(every), arguments.configs, replace=False)
    with tempfile.TemporaryDirectory() as directory:
        deployment = Deployment(spec, launcher, Path(directory))
        service = profiled(deployment, base, space, ceiling)
        found = []
        for number, index in enumerate(drawn, arguments.seed):
            config = space.apply(every[index], base)
            measured, window = on_a_server(deployment, config, ceiling, number)
            batching = Batching.of(config)
            if batching is None:
                raise SystemExit(f"{every[index]}: the simulator does not know how Triton batches such a model")
            print(f"{batching}: located {measured.rate_per_s:,.0f} inferences/s", flush=True)
            if window is not None:
                found.append(OnServer(batching, measured.rate_per_s, window))
    print(f"\n{len(drawn) - len(found)} of {len(drawn)} configs keep {ceiling} at no rate")
    print(f"{sum(bool(each.window.invalid) for each in found)} windows stayed disturbed")
    report("as the product simulates", found, service, ceiling, arguments.seed)
    for by in arguments.varies_by:
        report(f"executions vary by {by:g}", found, service.varying(by), ceiling, arguments.seed)


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(each) for each in text.split(","))


def profiled(deployment: Deployment, base: ModelConfig, space: SearchSpace, ceiling: Ceiling) -> ServiceTimes:
    """The service times that the starts of a study show."""
    windows: list[Window] = []
    largest = 1
    spec, joint = deployment.spec, JointSpace({deployment.spec.name: space})
    for start in starts(ConfigSet.of(spec.config), ConfigSet.of(base), joint, simulates=True, ready=False):
        config = start.configs.asked
        measured, _ = on_a_server(deployment, config, ceiling, seed=0, question=replace(LOCATED, profiled=True))
        largest = max(largest, config.max_batch_size)
        if config.instance_count:
            delay_s = float(config.value("dynamic_batching.max_queue_delay_microseconds") or 0) / 1e6
            windows += [Window(config.instance_count, probe, delay_s) for probe in measured.probes]
    service = service_times(windows, largest)
    if service is None:
        raise SystemExit("the windows of the profile hold no execution")
    return service


def on_a_server(
    deployment: Deployment, config: ModelConfig, ceiling: Ceiling, seed: int, question: Question = LOCATED
) -> tuple[Measurement, Probe | None]:
    """The rate that a fresh server with that config sustains, and a window well below it; None if it sustains none."""
    objective = Objective("throughput", (ceiling,))
    with deployment.serve(ConfigSet.of(config), deployment.directory / "accuracy.log") as served:
        meter = Meter(served.server, served.generator, objective, MeasureOptions.of(1.0, seed))
        measured = meter.measure(question)
        if not measured.feasible:
            return measured, None
        for _ in range(ATTEMPTS):
            window = run_probe(
                served.server,
                served.generator,
                PoissonRate(BELOW_SATURATION * measured.rate_per_s, seed=seed),
                purpose="load",
                duration_s=WINDOW_S,
                timeout_s=2.0,
                ceilings=(ceiling,),
            )
            if not window.invalid:  # what disturbs adds to the latency that is compared
                break
        return measured, window


def report(title: str, found: Sequence[OnServer], service: ServiceTimes, ceiling: Ceiling, seed: int) -> None:
    """Prints median and larger errors of a simulation beside the targets."""
    simulations = [simulated(each, service, seed) for each in found]
    located = np.array([each.located_per_s for each in found])
    p99_s = np.array([each.window.latency_s["p99"] for each in found])
    measured = np.array([each.window.achieved_per_s for each in found])
    rates = highest_rates([each.batching for each in found], service, (ceiling,), requests=40_000)
    predicted = np.array([each.rate_per_s for each in rates])
    simulated_p99_s = np.array([float(np.quantile(each.latency_s, 0.99)) for each in simulations])
    simulated_per_s = np.array([each.completed_per_s for each in simulations])
    errors = {
        "throughput": np.abs(simulated_per_s / measured - 1),
        "p99": np.abs(simulated_p99_s / p99_s - 1),
        "highest rate": np.abs(predicted / located - 1),
    }
    print(f"\n| {title}, {len(found)} configs | median error | 90th percentile | target |")
    print("|---|---|---|---|")
    for name, error in errors.items():
        target = f"{TARGETS[name]:.0%}" if name in TARGETS else "-"
        print(f"| {name} | {statistics.median(error):.1%} | {np.quantile(error, 0.9):.1%} | {target} |")
    correlation = spearmanr(located, predicted).statistic
    print(f"| rank correlation of the highest rates | {correlation:.2f} | - | {TARGETS['rank correlation']:.1f} |")


def simulated(on_server: OnServer, service: ServiceTimes, seed: int) -> Simulated:
    """The window of a config, simulated."""
    arrivals_s = PoissonRate(on_server.window.asked_per_s, seed=seed).arrivals(WINDOW_S)
    return simulate(on_server.batching, service, arrivals_s, seed)


if __name__ == "__main__":
    main()
