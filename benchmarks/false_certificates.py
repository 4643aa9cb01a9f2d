"""How often a certified rate violates its ceiling when it is offered again for two minutes with fresh arrivals.

Each repeat draws a config and timings of the bundled `accelerator`, measures it on a fresh server, and offers the
certified rate again on that server. Target: at most 1 of 50 does. Several repeats run side by side
(`--parallel`) on models that are slow enough for that: the accelerator sleeps, and at two hundred requests/s a server
and its client take a small part of a core. Faster models (`--faster 4`) need the machine for themselves.

    python benchmarks/false_certificates.py [--repeats 50] [--seconds 120] [--parallel 8] [--faster 1] [--seed 0]

With `--output FILE` each repeat is kept as it ends, and one of a seed that is in the file is not held again: fifty of
them one after the other take two hours.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from autotune.environment import MachineLoad
from autotune.load import PoissonRate
from autotune.measurement import Deployment, MeasureOptions, Meter
from autotune.objective import Ceiling, Objective
from autotune.repository import ConfigSet, ModelConfig, ModelRepository
from autotune.server import LaunchOptions, choose_launcher

REPOSITORY = Path(__file__).parent.parent / "model_repository"
BATCHES = (4, 8, 16, 32)
INSTANCES = (1, 2, 3)
HOST_MS = (2.0, 8.0)
FIXED_MS = (24.0, 40.0)
PER_ITEM_MS = (1.2, 3.2)
CEILING_EXECUTIONS = (2.5, 6.0)
"""The ceiling, in times of a full batch."""


@dataclass(frozen=True)
class Repeat:
    """One certificate, put to the test.

    Attributes:
        seed: What its config, its timings and its arrivals were drawn with.
        rate_per_s: What was certified; 0 where nothing was.
        confidence: As stated.
        allowed: The fraction of requests that may be late.
        late: The fraction that was, in the long window.
        in_worst_second: The fraction of the late ones that were to be sent in its worst second: near 1 where one
            pause of the machine made them late.
        steal: The fraction of the cores' time that the hypervisor took away in it.
    """

    seed: int
    rate_per_s: float
    confidence: float
    allowed: float
    late: float
    in_worst_second: float
    steal: float

    @property
    def broken(self) -> bool:
        """Whether the ceiling was violated."""
        return self.late > self.allowed


def main() -> None:
    """Prints one line a repeat and a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--parallel", type=int, default=8)
    parser.add_argument("--faster", type=float, default=1.0, help="how many times shorter all timings are")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="keeps repeats, to go on from with the same options")
    arguments = parser.parse_args()
    seeds = range(arguments.seed, arguments.seed + arguments.repeats)
    kept = {repeat.seed: repeat for repeat in read(arguments.output)} if arguments.output else {}

    def repeat_of(seed: int) -> Repeat:
        if seed in kept:
            return kept[seed]
        repeat = put_to_the_test(Path(directory), seed, arguments.seconds, arguments.faster)
        if arguments.output:
            with arguments.output.open("a") as file:
                file.write(json.dumps(asdict(repeat)) + "\n")
        return repeat

    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(arguments.parallel) as pool:
        repeats = list(pool.map(repeat_of, seeds))
    tested = [repeat for repeat in repeats if repeat.rate_per_s]
    broken = sum(repeat.broken for repeat in tested)
    sure = [repeat for repeat in tested if repeat.confidence >= 0.95]
    print("\n| certificates | at 95% confidence or more | broken | of those at 95% or more |")
    print("|---|---|---|---|")
    print(f"| {len(tested)} | {len(sure)} | {broken} | {sum(repeat.broken for repeat in sure)} |")


def read(output: Path) -> list[Repeat]:
    """The repeats that were kept."""
    return [Repeat(**json.loads(line)) for line in output.read_text().splitlines()] if output.exists() else []


def put_to_the_test(directory: Path, seed: int, seconds: float, faster: float) -> Repeat:
    """Certifies a rate for a config drawn with ``seed`` and offers it again."""
    config, ceiling = drawn_config(np.random.default_rng(seed), faster)
    launcher, _ = choose_launcher("embedded", LaunchOptions())
    spec = ModelRepository(REPOSITORY).model("accelerator")
    deployment = Deployment(spec, launcher, directory)
    with deployment.serve(ConfigSet.of(config), directory / f"{seed}.log") as served:
        objective = Objective("throughput", (ceiling,))
        measured = Meter(served.server, served.generator, objective, MeasureOptions.of(1.0, seed)).measure()
        late = in_worst_second = steal = 0.0
        if measured.feasible:
            before = MachineLoad.now()
            again = served.generator.run(PoissonRate(measured.rate_per_s, 500_000 + seed), seconds, 2.0)
            machine = MachineLoad.now() - before
            is_late = ~(again.latency_s <= ceiling.limit_s)
            late, steal = float(is_late.mean()), machine.steal_s / machine.seconds / machine.cores
            in_worst_second = float(np.bincount(again.scheduled_s[is_late].astype(int), minlength=1).max())
            in_worst_second /= max(1, is_late.sum())
    repeat = Repeat(seed, measured.rate_per_s, measured.confidence, 1 - ceiling.quantile, late, in_worst_second, steal)
    disturbed = sum(bool(probe.invalid) for probe in measured.probes)
    note = f"; {disturbed} windows disturbed" if disturbed else ""
    print(
        f"{seed:3}: {repeat.rate_per_s:6.0f} inferences/s with {ceiling} at {repeat.confidence:.0%}:"
        f" {repeat.late:.3%} late, {repeat.in_worst_second:.0%} of them in one second, {repeat.steal:.1%} stolen"
        f"{'  BROKEN' if repeat.broken else ''}{note}",
        flush=True,
    )
    return repeat


def drawn_config(random: np.random.Generator, faster: float) -> tuple[ModelConfig, Ceiling]:
    """A config of the accelerator, so many times faster, and its ceiling."""
    batch, instances = int(random.choice(BATCHES)), int(random.choice(INSTANCES))
    host, fixed, per_item = (random.uniform(*span) / faster for span in (HOST_MS, FIXED_MS, PER_ITEM_MS))
    config = ModelRepository(REPOSITORY).model("accelerator").config
    config = config.with_value("max_batch_size", batch).with_value("instance_group[0].count", instances)
    for name, value in (("host_ms", host), ("device_fixed_ms", fixed), ("device_per_item_ms", per_item)):
        config = config.with_value(f"parameters.{name}", f"{value:.3f}")
    full_batch_s = (host + fixed + batch * per_item) / 1e3
    return config, Ceiling(str(random.choice(["p99", "p95"])), full_batch_s * random.uniform(*CEILING_EXECUTIONS))


if __name__ == "__main__":
    main()
