"""Whether a closed loop whose client takes its time sees what perf_analyzer sees, where batches may or may not fill.

`accelerator` with two instances and configs whose batches of 16 to 40 fill or fall apart by what the client does
between two requests. Each config is served afresh for each client, in turns: perf_analyzer, and our client with each
think time (none unless --times names others). Printed: by how much our client differs from perf_analyzer in the median
over rounds of throughput and p99, over all configs and concurrencies: on average, and as the root of the mean square.
perf_analyzer is the one of --perf-analyzer, AUTOTUNE_PERF_ANALYZER or PATH; without it nothing is measured.

    python -m benchmarks.client_time [--perf-analyzer FILE] [--rounds 3] [--seconds 1.5] [--times 30us,50us]
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import NamedTuple

from autotune.errors import UsageError
from autotune.load import ClosedLoop, Traffic
from autotune.load.perf_analyzer import find_perf_analyzer
from autotune.measurement import Deployment
from autotune.objective import format_duration, parse_duration
from autotune.repository import ModelConfig, ModelRepository
from autotune.server import LaunchOptions, choose_launcher

REPOSITORY = Path(__file__).parent.parent / "model_repository"
MODEL = "accelerator"
INSTANCES = 2
# Batch size, queue delay in microseconds, and outstanding requests: about two to four batches.
CONFIGS = (
    (40, 7000, (64, 72, 80, 88, 96)),
    (32, 7000, (64, 72, 80, 88, 96)),
    (32, 5000, (64, 72, 80, 88, 96)),
    (32, 0, (64, 72, 80, 88, 96)),
    (16, 0, (32, 40, 48, 56, 64)),
)
PEER = "perf_analyzer"
WARMUP_S = 0.5
TIMEOUT_S = 5.0


class Load(NamedTuple):
    """A config under some outstanding requests."""

    batch: int
    delay_us: int
    concurrency: int


class Seen(NamedTuple):
    """What a client saw of it."""

    rate_per_s: float
    p99_s: float


def main() -> None:
    """Prints each server's loads, and a Markdown table with a row for each of our clients."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--perf-analyzer", type=Path, default=os.environ.get("AUTOTUNE_PERF_ANALYZER"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--times", help="think times of our client, such as none,30us")
    arguments = parser.parse_args()
    try:
        binary = find_perf_analyzer(Path(arguments.perf_analyzer) if arguments.perf_analyzer else None)
    except UsageError as error:
        print(f"Nothing to compare with: {error}")
        return
    asked = arguments.times.split(",") if arguments.times else ["none"]
    times_s = [0.0 if text == "none" else parse_duration(text, "--times") for text in asked]
    clients_s = {format_duration(each_s) if each_s else "none": each_s for each_s in times_s}
    seen: dict[str, dict[Load, list[Seen]]] = {name: defaultdict(list) for name in (PEER, *clients_s)}
    launcher, _ = choose_launcher("embedded", LaunchOptions())
    spec = ModelRepository(REPOSITORY).model(MODEL)
    with tempfile.TemporaryDirectory() as folder:
        own = Deployment(spec, launcher, Path(folder))
        peer = replace(own, traffic=Traffic(client=PEER, perf_analyzer=binary))
        for _, (batch, delay_us, concurrencies), name in product(range(arguments.rounds), CONFIGS, seen):
            deployment, client_s = (peer, 0.0) if name == PEER else (own, clients_s[name])
            served = config(spec.config, batch, delay_us)
            runs = sweep(deployment, served, concurrencies, client_s, arguments.seconds)
            for concurrency, run in runs.items():
                seen[name][Load(batch, delay_us, concurrency)].append(run)
            told = ", ".join(f"{each}: {run.rate_per_s:,.0f}/s {run.p99_s * 1e3:.1f} ms" for each, run in runs.items())
            print(f"batch {batch}, delay {delay_us} us, {name}: {told}", flush=True)
    print(
        "\n| client's time | inferences/s, mean difference | root mean square"
        " | p99, mean difference | root mean square |"
    )
    print("|---|---|---|---|---|")
    for name in clients_s:
        print_row(name, seen[name], seen[PEER])


def config(base: ModelConfig, batch: int, delay_us: int) -> ModelConfig:
    """The model's config with these."""
    delayed = base.with_value("dynamic_batching.max_queue_delay_microseconds", delay_us)
    return delayed.with_value("max_batch_size", batch).with_value("instance_group[0].count", INSTANCES)


def sweep(
    deployment: Deployment, served: ModelConfig, concurrencies: Sequence[int], client_s: float, seconds: float
) -> dict[int, Seen]:
    """What the deployment's client sees of a fresh server under each concurrency."""
    runs = {}
    with deployment.serve(served, deployment.directory / "log") as server:
        server.generator.run(ClosedLoop(max(concurrencies)), WARMUP_S, TIMEOUT_S)
        for concurrency in concurrencies:
            run = server.generator.run(ClosedLoop(concurrency, client_s), seconds, TIMEOUT_S)
            runs[concurrency] = Seen(run.achieved_per_s, run.percentile_s(0.99))
    return runs


def print_row(name: str, ours: Mapping[Load, Sequence[Seen]], theirs: Mapping[Load, Sequence[Seen]]) -> None:
    """How far a client is from perf_analyzer, as a ratio less one."""
    cells = []
    for column in range(len(Seen._fields)):
        differences = [
            math.log(statistics.median(run[column] for run in ours[load]))
            - math.log(statistics.median(run[column] for run in theirs[load]))
            for load in theirs
        ]
        root = math.sqrt(statistics.fmean(each**2 for each in differences))
        cells += [f"{math.expm1(statistics.fmean(differences)):+.1%}", f"{math.expm1(root):.1%}"]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
