"""How much of a small machine each client leaves to the server: our generator and perf_analyzer on `mnist`.

One embedded Triton, concurrency 32, HTTP and gRPC, the same tensors; the model's own config (two instances, no
batching), or with `--batching` one instance that batches up to 32, where the server has time to spare.

Our generator (in a worker process) and perf_analyzer, with its threads (its default) and with `--async`, take turns;
medians over the rounds. CPU is user and system time per request: of the client within the window, of the server from
before the client started until it was done. The ratio is to the better of perf_analyzer's two modes; target: 1.6 times.
Beside it stands the ratio that a client without any cost would come to, were all cores the server's and a request as
dear to it. perf_analyzer is the one of --perf-analyzer, AUTOTUNE_PERF_ANALYZER or PATH; without it nothing is measured.

    python benchmarks/perf_analyzer_throughput.py [--perf-analyzer FILE] [--batching] [--rounds 5] [--seconds 4]
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path

from autotune.errors import UsageError
from autotune.load import ClosedLoop, LoadGenerator, LoadResult, create_generator, make_payload
from autotune.load.perf_analyzer import PerfAnalyzerGenerator, PerfAnalyzerOptions, find_perf_analyzer
from autotune.repository import ConfigSet, ModelConfig, ModelRepository, stage
from autotune.server import LaunchOptions, RunningServer, choose_launcher

REPOSITORY = Path(__file__).parent.parent / "model_repository"
MODEL = "mnist"
LOAD = ClosedLoop(32)
WARMUP_S = 0.5
TIMEOUT_S = 5.0
OURS = "autotune"
WANTED_RATIO = 1.6


def main() -> None:
    """Prints a Markdown table, one row for each client and protocol."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--perf-analyzer", type=Path, default=os.environ.get("AUTOTUNE_PERF_ANALYZER"))
    parser.add_argument("--batching", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    arguments = parser.parse_args()
    try:
        binary = find_perf_analyzer(Path(arguments.perf_analyzer) if arguments.perf_analyzer else None)
    except UsageError as error:
        print(f"Nothing to compare with: {error}")
        return
    launcher, _ = choose_launcher("embedded", LaunchOptions())
    print(
        "| protocol | client | inferences/s | client's CPU (us) | server's CPU (us) | failed | ratio | without cost |"
    )
    print("|---|---|---|---|---|---|---|---|")
    spec = ModelRepository(REPOSITORY).model(MODEL)
    config = batching(spec.config) if arguments.batching else spec.config
    with tempfile.TemporaryDirectory() as directory:
        staged = stage((spec,), ConfigSet.of(config), Path(directory))
        with launcher.launch(staged, MODEL, Path(directory) / "log") as server:
            for protocol in ("http", "grpc"):
                print_rows(protocol, *measure(server, binary, protocol, arguments.rounds, arguments.seconds))
    print(f"\nTarget: {WANTED_RATIO} times the better of perf_analyzer's modes.")


def batching(config: ModelConfig) -> ModelConfig:
    """The config with one instance that batches up to 32 requests."""
    config = config.with_value("max_batch_size", 32).with_value("dynamic_batching", {})
    return config.with_value("instance_group", [{"count": 1, "kind": "KIND_CPU"}])


def measure(
    server: RunningServer, binary: Path, protocol: str, rounds: int, seconds: float
) -> tuple[Mapping[str, list[LoadResult]], Mapping[str, list[float]]]:
    """Each client's windows, taken in turns, and the CPU seconds that the server took for a request in each."""
    payload = make_payload(MODEL, server.model_metadata(), server.model_config())
    clients: dict[str, LoadGenerator] = {OURS: create_generator(protocol, server.endpoint, payload)}
    for name, asynchronous in (("perf_analyzer", False), ("perf_analyzer --async", True)):
        options = PerfAnalyzerOptions(warmup_s=WARMUP_S, asynchronous=asynchronous)
        clients[name] = PerfAnalyzerGenerator(binary, server.endpoint, protocol, [payload], options)
    results: dict[str, list[LoadResult]] = {name: [] for name in clients}
    server_cpu_s: dict[str, list[float]] = {name: [] for name in clients}
    with ExitStack() as stack:
        for client in clients.values():
            stack.enter_context(closing(client))
        for _ in range(rounds):
            for name, client in clients.items():
                if name == OURS:  # perf_analyzer's warm-up is its own
                    client.run(LOAD, WARMUP_S, TIMEOUT_S)
                served, used = server.statistics(), server.usage()
                results[name].append(client.run(LOAD, seconds, TIMEOUT_S))
                answered = (server.statistics() - served).success_count
                now = server.usage()
                if used is not None and now is not None:
                    server_cpu_s[name].append(now.cpu_since(used) / max(1, answered))
    return results, server_cpu_s


def print_rows(protocol: str, results: Mapping[str, list[LoadResult]], server_cpu_s: Mapping[str, list[float]]) -> None:
    """Medians, and how many times our throughput is the better one of theirs."""
    rates = {name: statistics.median(run.achieved_per_s for run in runs) for name, runs in results.items()}
    theirs = max(rate for name, rate in rates.items() if name != OURS)
    for name, runs in results.items():
        cpu_us = statistics.median(run.client_cpu_s / max(1, run.completed) * 1e6 for run in runs)
        server_us = statistics.median(server_cpu_s[name]) * 1e6 if server_cpu_s[name] else math.nan
        failed = sum(run.failed for run in runs)
        free = len(os.sched_getaffinity(0)) / server_us * 1e6
        compared = f"{rates[name] / theirs:.2f} | {free / theirs:.2f}" if name == OURS else " | "
        row = f"{rates[name]:,.0f} | {cpu_us:.0f} | {server_us:.0f} | {failed} | {compared}"
        print(f"| {protocol} | {name} | {row} |", flush=True)


if __name__ == "__main__":
    main()
