"""What is located and certified, how near the truth, in what time, and how often it is wrong: on simulated servers.

The product's own meter locates and certifies, and stops its windows as on a real server; only the answers come from the
simulator of Triton's batcher, so that hundreds of certificates take a minute, nothing disturbs them, and the truth is
known: a long simulation says the rate that a config sustains and how many requests are late at the certified rate.
Configs, timings and ceilings are drawn as by `false_certificates.py`. Target: at most 1 of 50 violates its ceiling.

    python -m benchmarks.simulated_certificates [--repeats 200] [--faster 4] [--seed 0]
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from autotune.load import PoissonRate, Schedule
from autotune.measurement import MeasureOptions, Meter
from autotune.objective import Ceiling, Objective
from autotune.repository import ModelConfig
from autotune.server import ModelStatistics
from autotune.simulator import Batching, ServiceTimes, simulate
from benchmarks.false_certificates import drawn_config
from tests.fakes.simulated_server import SimulatedServer

CONFIDENCE = 0.95
NEAR = 0.03
VARIES_BY = 0.03
LEAST_OVERHEAD_S = MEAN_FURTHER_OVERHEAD_S = 2e-4
TRUTH_S, LATE_S = 400.0, 1500.0
"""Simulated seconds at each rate of the bisection for the rate that a config sustains, and at the certified rate."""

BISECTIONS = 12


@dataclass(frozen=True)
class Certified:
    """One certificate beside the truth.

    Attributes:
        located: The located rate by the highest one that meets the ceiling.
        of_truth: The certified rate by that one.
        confidence: As stated.
        seconds: Of the windows that were to prove it.
        late: The fraction that is late at it in the long run, by what is allowed.
    """

    located: float
    of_truth: float
    confidence: float
    seconds: float
    late: float

    @property
    def proven(self) -> bool:
        """Whether it was given with the confidence that was asked for."""
        return self.confidence >= CONFIDENCE


class SimulatedAccelerator(SimulatedServer):
    """A model of the accelerator behind Triton's batcher."""

    def __init__(self, batching: Batching, service: ServiceTimes) -> None:
        super().__init__(service_s=float((service.host_s + service.device_s)[-1] / batching.max_batch_size))
        self._batching = batching
        self._service = service
        self._executions: dict[int, int] = {}

    def model_config(self, model: str = "") -> dict[str, object]:
        """What the meter asks of it."""
        return {
            "max_batch_size": self._batching.max_batch_size,
            "instance_group": [{"count": self._batching.instances}],
        }

    def statistics(self, model: str = "") -> ModelStatistics:
        """Executions by batch size so far."""
        return ModelStatistics(
            success_count=self.succeeded,
            inference_count=sum(size * count for size, count in self._executions.items()),
            execution_count=sum(self._executions.values()),
            batch_executions=dict(self._executions),
        )

    def _open_loop(self, schedule: Schedule, duration_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        assert isinstance(schedule, PoissonRate)
        arrivals_s = self._arrivals(schedule, duration_s)
        return arrivals_s, self._latencies_s(arrivals_s, schedule.seed)

    def _closed_loop(self, concurrency: int, duration_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """As if all that is answered had come at once: what saturates the server, which is all that is asked."""
        requests = concurrency + int(duration_s / self.service_s)
        ended_s = np.sort(self._latencies_s(np.zeros(requests), concurrency))
        sent_s = np.concatenate([np.zeros(concurrency), ended_s])[:requests]
        within = sent_s < duration_s
        return sent_s[within], np.maximum(LEAST_OVERHEAD_S, ended_s - sent_s)[within]

    def _latencies_s(self, arrivals_s: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
        simulated = simulate(self._batching, self._service, arrivals_s, seed)
        for size, count in simulated.batch_executions.items():
            self._executions[size] = self._executions.get(size, 0) + count
        return simulated.latency_s.copy()


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--faster", type=float, default=4.0, help="how many times shorter all timings are")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    seeds = range(arguments.seed, arguments.seed + arguments.repeats)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        found = [each for each in pool.map(partial(certified, faster=arguments.faster), seeds, chunksize=4) if each]
    proven = [each for each in found if each.proven]
    print("| times faster | certificates | at 95% or more | their rate by the truth, median | least |", end="")
    print(" seconds, median | 90th percentile | broken | of those at 95% or more |", end="")
    print(" located within 3% | median error | spread |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    rates, seconds = [each.of_truth for each in proven], [each.seconds for each in found]
    errors = np.array([each.located - 1 for each in found])
    print(
        f"| {arguments.faster:g} | {len(found)} | {len(proven) / len(found):.0%} | {np.median(rates):.0%}"
        f" | {min(rates):.0%} | {np.median(seconds):.1f} | {np.quantile(seconds, 0.9):.1f}"
        f" | {sum(each.late > 1 for each in found)} | {sum(each.late > 1 for each in proven)}"
        f" | {(abs(errors) <= NEAR).mean():.0%} | {np.median(errors):+.1%} | {errors.std():.1%} |"
    )


def certified(seed: int, faster: float) -> Certified | None:
    """The certificate of what is drawn with ``seed``; None if no rate met the ceiling."""
    config, ceiling = drawn_config(np.random.default_rng(seed), faster)
    batching, service = simulated(config)
    server = SimulatedAccelerator(batching, service)
    objective = Objective("throughput", (ceiling,))
    measured = Meter(server, server, objective, MeasureOptions.of(1.0, seed)).measure()
    if not measured.feasible:
        return None
    truth_per_s = sustained_per_s(batching, service, ceiling)
    return Certified(
        (measured.located_per_s or 0.0) / truth_per_s,
        measured.rate_per_s / truth_per_s,
        measured.confidence,
        sum(probe.duration_s for probe in measured.probes if probe.purpose == "certify"),
        late(batching, service, ceiling, measured.rate_per_s, LATE_S) / (1 - ceiling.quantile),
    )


def simulated(config: ModelConfig) -> tuple[Batching, ServiceTimes]:
    """How a config of the accelerator batches and how long its executions take."""
    batching = Batching.of(config)
    assert batching is not None
    host_s, fixed_s, per_item_s = (
        float(str(config.value(f"parameters.{name}"))) / 1e3
        for name in ("host_ms", "device_fixed_ms", "device_per_item_ms")
    )
    items = np.arange(1, batching.max_batch_size + 1)
    overhead_s = LEAST_OVERHEAD_S + np.random.default_rng(0).exponential(MEAN_FURTHER_OVERHEAD_S, 500)
    times = ServiceTimes(np.full(len(items), host_s), fixed_s + items * per_item_s, overhead_s, np.ones(1))
    return batching, times.varying(VARIES_BY)


def sustained_per_s(batching: Batching, service: ServiceTimes, ceiling: Ceiling) -> float:
    """The highest rate that meets the ceiling in the long run."""
    low, high = 0.0, 1.1 * batching.max_batch_size / float(service.device_s[-1])
    for _ in range(BISECTIONS):
        rate = (low + high) / 2
        kept = late(batching, service, ceiling, rate, TRUTH_S) <= 1 - ceiling.quantile
        low, high = (rate, high) if kept else (low, rate)
    return low


def late(batching: Batching, service: ServiceTimes, ceiling: Ceiling, rate_per_s: float, seconds: float) -> float:
    """The fraction of requests over the ceiling in so many simulated seconds."""
    gaps_s = np.random.default_rng(500_000).exponential(1 / rate_per_s, int(rate_per_s * seconds))
    latency_s = simulate(batching, service, gaps_s.cumsum(), seed=1).latency_s
    return float((latency_s > ceiling.limit_s).mean())


if __name__ == "__main__":
    main()
