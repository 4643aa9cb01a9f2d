"""The simulator forms the batches that a real Triton forms, and predicts its latencies.

The accelerator's own times are known (they are its parameters, here four times the bundled ones, so that a busy test
machine matters less); what the Python backend adds to an execution and what lies outside is measured once, on a
server with one instance. Both sides then get the same arrivals. A window that something else disturbed is repeated on
the same server, with other arrivals.
"""

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from autotune.load import ClosedLoop, PoissonRate
from autotune.measurement import Deployment
from autotune.repository import ConfigSet, ModelRepository
from autotune.server import LaunchOptions, choose_launcher
from autotune.simulator import Batching, ServiceTimes, simulate

HOST_S, DEVICE_S, DEVICE_PER_ITEM_S = 2e-3, 8e-3, 0.4e-3
SIZES = np.arange(1, 17)
KNOWN_S = HOST_S + DEVICE_S + DEVICE_PER_ITEM_S * SIZES
WINDOW_S = 3.0
SEEDS = (1, 2, 3)


@contextmanager
def _served(batching: Batching, directory: Path):
    spec = ModelRepository(Path(__file__).parents[2] / "model_repository").model("accelerator")
    config = spec.config.with_value("max_batch_size", batching.max_batch_size)
    config = config.with_value("instance_group.count", batching.instances).without("dynamic_batching")
    if batching.dynamic:
        delay_us = round(batching.max_queue_delay_s * 1e6)
        config = config.with_value("dynamic_batching.max_queue_delay_microseconds", delay_us)
        config = config.with_value("dynamic_batching.preferred_batch_size", list(batching.preferred_sizes))
    for name, seconds in zip(
        ("host_ms", "device_fixed_ms", "device_per_item_ms"), (HOST_S, DEVICE_S, DEVICE_PER_ITEM_S), strict=True
    ):
        config = config.with_value(f"parameters.{name}", seconds * 1e3)
    assert Batching.of(config) == batching
    launcher, _ = choose_launcher("embedded", LaunchOptions())
    with Deployment(spec, launcher, directory).serve(ConfigSet.of(config), directory / "triton.log") as served:
        served.generator.run(ClosedLoop(2 * batching.max_batch_size), 0.3, 1.0)
        yield served


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """The known times, and what is measured of the rest."""
    with _served(Batching(8, dynamic=True), tmp_path_factory.mktemp("calibration")) as served:
        alone, one = _window(served, ClosedLoop(1), 1.0)
        _, eight = _window(served, ClosedLoop(32), 1.0)
    added_to_one_s = one.busy_s / one.execution_count - KNOWN_S[0]
    added_to_eight_s = eight.busy_s / eight.execution_count - KNOWN_S[7]
    added_s = added_to_one_s + (SIZES - 1) * max(0.0, added_to_eight_s - added_to_one_s) / 7
    outside_s = np.sort(np.maximum(0.0, alone.latency_s - KNOWN_S[0] - added_to_one_s))
    return ServiceTimes(HOST_S + added_s, DEVICE_S + DEVICE_PER_ITEM_S * SIZES, outside_s, np.ones(1))


def _window(served, schedule, duration_s=WINDOW_S):
    before = served.server.statistics()
    result = served.generator.run(schedule, duration_s, 2.0)
    return result, served.server.statistics() - before


@dataclass(frozen=True)
class Differences:
    """How far a window is from its simulation, as fractions of the simulated value.

    ``batches`` is the part of the executions that would have to change size (total variation distance).
    """

    mean_batch: float
    p50: float
    p99: float
    batches: float

    @classmethod
    def between(cls, result, statistics, simulated) -> "Differences":
        executions = {True: statistics.batch_executions, False: simulated.batch_executions}
        shares = [[counts.get(size, 0) / sum(counts.values()) for size in SIZES] for counts in executions.values()]
        p50, p99 = (
            result.percentile_s(q) / np.quantile(simulated.latency_s, q, method="inverted_cdf") - 1 for q in (0.5, 0.99)
        )
        batches = np.abs(np.subtract(*shares)).sum() / 2
        return cls(statistics.mean_batch_size / simulated.mean_batch - 1, p50, p99, batches)

    @property
    def small(self) -> bool:
        return max(abs(self.mean_batch), abs(self.p50)) < 0.1 and abs(self.p99) < 0.15 and self.batches < 0.15


@pytest.mark.parametrize(
    ("batching", "rate_per_s"),
    [
        pytest.param(Batching(8, dynamic=False, instances=2), 80.0, id="no-batching-2-instances"),
        pytest.param(Batching(8, dynamic=True), 400.0, id="no-delay"),
        pytest.param(Batching(16, dynamic=True, max_queue_delay_s=8e-3), 400.0, id="delay"),
        pytest.param(
            Batching(16, dynamic=True, max_queue_delay_s=20e-3, preferred_sizes=(4,)), 250.0, id="preferred-4"
        ),
        pytest.param(
            Batching(16, dynamic=True, max_queue_delay_s=12e-3, preferred_sizes=(8,), instances=2),
            400.0,
            id="preferred-8-2-instances",
        ),
        pytest.param(Batching(8, dynamic=True, instances=4), 400.0, id="4-instances"),
    ],
)
def test_batches_and_latencies_are_those_of_a_real_triton(batching, rate_per_s, service, tmp_path):
    differences = []
    with _served(batching, tmp_path) as served:
        for seed in SEEDS:
            schedule = PoissonRate(rate_per_s, seed)
            result, statistics = _window(served, schedule)
            assert result.failed == 0
            simulated = simulate(batching, service, schedule.arrivals(WINDOW_S), seed)
            differences.append(Differences.between(result, statistics, simulated))
            if differences[-1].small:
                return
    pytest.fail(f"no window agrees with its simulation: {differences}")
