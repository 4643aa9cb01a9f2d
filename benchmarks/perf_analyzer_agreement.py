"""Whether our generator and perf_analyzer see the same server: throughput, p50 and p99 on `accelerator`.

Its device time is known, so that two clients that measure alike must agree. `max_batch_size` is 4, half of the lower
concurrency: then a full batch waits whenever one has been served, however quickly a client sends again. Were a batch
to take all that is outstanding, the batches, and with them the throughput, would follow from the client's own delay.

One embedded Triton, concurrency 8 and 32, HTTP and gRPC, the same tensors; both clients count latency from the actual
send in a closed loop. They take turns, each begins every other round, and what is compared is the two of one round:
the mean difference of ours from theirs with its 95% interval, besides medians over the rounds. Targets: throughput
within 2%, p50 and p99 within 3%. So that neither client takes from the server what it needs, the server runs on half of
the cores and the clients on the others, unless --together. With the accelerator some times --slower than the
bundled one the server's processes are not the limit either, whom a quicker client interrupts more often. perf_analyzer
is the one of --perf-analyzer, AUTOTUNE_PERF_ANALYZER or PATH; without it nothing is measured.

    python benchmarks/perf_analyzer_agreement.py [--perf-analyzer FILE] [--rounds 12] [--seconds 2] [--async]
        [--together] [--slower TIMES]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from autotune.errors import UsageError
from autotune.load import ClosedLoop, LoadGenerator, LoadResult, create_generator, make_payload
from autotune.load.perf_analyzer import PerfAnalyzerGenerator, PerfAnalyzerOptions, find_perf_analyzer
from autotune.measurement.statistics import paired_ratio
from autotune.repository import ConfigSet, ModelConfig, ModelRepository, stage
from autotune.server import LaunchOptions, choose_launcher

REPOSITORY = Path(__file__).parent.parent / "model_repository"
MODEL = "accelerator"
CONCURRENCIES = (8, 32)
MAX_BATCH_SIZE = 4
TIMINGS_MS = {"host_ms": 0.5, "device_fixed_ms": 2.0, "device_per_item_ms": 0.1}
WARMUP_S = 0.5
TIMEOUT_S = 5.0
# What is compared, how to get it from a run, how it is written, and the difference that is allowed.
QUANTITIES: tuple[tuple[str, Callable[[LoadResult], float], str, float], ...] = (
    ("inferences/s", lambda run: run.achieved_per_s, ",.0f", 0.02),
    ("p50 (ms)", lambda run: run.percentile_s(0.50) * 1e3, ".2f", 0.03),
    ("p99 (ms)", lambda run: run.percentile_s(0.99) * 1e3, ".2f", 0.03),
)


def main() -> None:
    """Prints a Markdown table, one row for each quantity, concurrency and protocol."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--perf-analyzer", type=Path, default=os.environ.get("AUTOTUNE_PERF_ANALYZER"))
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--async", dest="asynchronous", action="store_true", help="perf_analyzer with --async")
    parser.add_argument("--together", action="store_true", help="server and clients share all cores")
    parser.add_argument("--slower", type=float, default=1.0, help="how many times, in all of its timings")
    arguments = parser.parse_args()
    try:
        binary = find_perf_analyzer(Path(arguments.perf_analyzer) if arguments.perf_analyzer else None)
    except UsageError as error:
        print(f"Nothing to compare with: {error}")
        return
    launcher, _ = choose_launcher("embedded", LaunchOptions())
    print("| protocol | concurrency | quantity | autotune | perf_analyzer | difference | target |")
    print("|---|---|---|---|---|---|---|")
    options = PerfAnalyzerOptions(warmup_s=WARMUP_S, asynchronous=arguments.asynchronous)
    spec = ModelRepository(REPOSITORY).model(MODEL)
    with tempfile.TemporaryDirectory() as folder:
        staged = stage((spec,), ConfigSet.of(slower(spec.config, arguments.slower)), Path(folder))
        cores = sorted(os.sched_getaffinity(0))
        apart = len(cores) > 1 and not arguments.together
        if apart:
            os.sched_setaffinity(0, cores[: len(cores) // 2])  # the server inherits it
        with launcher.launch(staged, MODEL, Path(folder) / "log") as server:
            if apart:
                os.sched_setaffinity(0, cores[len(cores) // 2 :])
            payload = make_payload(MODEL, server.model_metadata(), server.model_config())
            for protocol in ("http", "grpc"):
                peer = PerfAnalyzerGenerator(binary, server.endpoint, protocol, [payload], options)
                with closing(create_generator(protocol, server.endpoint, payload)) as generator, closing(peer):
                    for concurrency in CONCURRENCIES:
                        load = ClosedLoop(concurrency)
                        ours, theirs = measure(generator, peer, load, arguments.rounds, arguments.seconds)
                        print_rows(f"{protocol} | {concurrency}", ours, theirs)


def slower(config: ModelConfig, times: float) -> ModelConfig:
    """The config with `MAX_BATCH_SIZE`, its timings that many times as long."""
    for name, milliseconds in TIMINGS_MS.items():
        config = config.with_value(f"parameters.{name}", f"{times * milliseconds:g}")
    return config.with_value("max_batch_size", MAX_BATCH_SIZE)


def measure(
    generator: LoadGenerator, peer: LoadGenerator, load: ClosedLoop, rounds: int, seconds: float
) -> tuple[list[LoadResult], list[LoadResult]]:
    """Our windows and perf_analyzer's, taken in turns."""
    ours: list[LoadResult] = []
    theirs: list[LoadResult] = []
    for number in range(rounds):
        if number % 2:
            theirs.append(peer.run(load, seconds, TIMEOUT_S))
        generator.run(load, WARMUP_S, TIMEOUT_S)  # perf_analyzer's warm-up is its own
        ours.append(generator.run(load, seconds, TIMEOUT_S))
        if not number % 2:
            theirs.append(peer.run(load, seconds, TIMEOUT_S))
    return ours, theirs


def print_rows(row: str, ours: list[LoadResult], theirs: list[LoadResult]) -> None:
    """Medians of each quantity, and the relative difference within a round."""
    for name, quantity, form, target in QUANTITIES:
        own, other = ([quantity(run) for run in runs] for runs in (ours, theirs))
        ratio = paired_ratio(own, other)
        verdict = "kept" if abs(ratio.value - 1) <= target else "missed"
        print(
            f"| {row} | {name} | {statistics.median(own):{form}} | {statistics.median(other):{form}} |"
            f" {ratio.value - 1:+.1%} ({ratio.low - 1:+.1%} to {ratio.high - 1:+.1%}) | {target:.0%}: {verdict} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
