"""How long the HTML report of a large study takes, how much memory, and how large it is.

Stores a study of 1,000 trials with 20 windows each (values drawn from a fixed seed), then writes its report with the
command line in a process of its own.

    python -m benchmarks.study_report [--trials 1000] [--windows 20] [--runs 3]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import numpy as np

from autotune.environment import Environment
from autotune.load import PoissonRate, histogram
from autotune.measurement import ClientTimes, Measurement, Probe, Usage
from autotune.objective import Ceiling, Objective
from autotune.outcome import Forecast, OutcomeKind, TrialOutcome
from autotune.repository import ModelConfig
from autotune.search import BASELINE, PROPOSED
from autotune.server import ModelStatistics
from autotune.space import Candidate
from autotune.store import Store, database_url

OBJECTIVE = Objective("throughput", (Ceiling("p99", 0.02),))
MACHINE = Environment("benchmark", 2, 2, 2.0, 8 << 30, (), "Linux", "6.1", "3.11", {"mode": "embedded"})
CONFIG = 'name: "net"\nbackend: "python"\nmax_batch_size: 8\n'
BATCHES, INSTANCES, DELAYS_US = (1, 2, 4, 8, 16, 32, 64), (1, 2, 3, 4), (0, 100, 500, 1000, 5000)


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--windows", type=int, default=20)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results, page = Path(folder), Path(folder) / "report.html"
        store_study(results, arguments.trials, arguments.windows)
        runs = [written(results, page) for _ in range(arguments.runs)]
        size_mb = page.stat().st_size / 1e6
    seconds, cpu_s, memory_mb = (statistics.median(each) for each in zip(*runs, strict=True))
    print("| trials | windows | time (s) | CPU time (s) | peak memory (MB) | size (MB) |")
    print("|---|---|---|---|---|---|")
    total = arguments.trials * arguments.windows
    print(f"| {arguments.trials:,} | {total:,} | {seconds:.1f} | {cpu_s:.1f} | {memory_mb:.0f} | {size_mb:.1f} |")


def written(results: Path, page: Path) -> tuple[float, float, float]:
    """Seconds, CPU seconds and peak memory in MB of one `autotune report`."""
    command = [sys.executable, "-m", "autotune", "report", "--results", str(results), "--output", str(page)]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6


def store_study(results: Path, trials: int, windows: int) -> None:
    """Writes a study to the database of a results directory."""
    random = np.random.default_rng(0)
    with closing(Store.open(database_url(results))) as store:
        study, _ = store.begin_study(
            "large", model="net", objective=OBJECTIVE, space_digest="d", base_config=CONFIG, environment=MACHINE
        )
        for number in range(trials):
            store.save_trial(study, number, PROPOSED if number else BASELINE, _outcome(random, windows))


def _outcome(random: np.random.Generator, windows: int) -> TrialOutcome:
    batch, instances, delay_us = (int(random.choice(each)) for each in (BATCHES, INSTANCES, DELAYS_US))
    capacity = 300.0 * batch**0.6 * instances**0.5 * random.lognormal(0, 0.05)
    if random.random() < 0.02:
        return TrialOutcome(
            OutcomeKind.LOAD_FAILED, None, {"net": CONFIG}, None, message="failed to load 'net': no memory"
        )
    probes = tuple(_probe(random, capacity * share, batch) for share in np.linspace(0.4, 1.1, windows))
    held = [probe for probe in probes if probe.holds]
    decided = held[-1] if held else probes[0]
    config = ModelConfig.parse(CONFIG, "config.pbtxt").with_value("max_batch_size", batch)
    measurement = Measurement(
        feasible=bool(held),
        rate_per_s=decided.asked_per_s if held else 0.0,
        first_failing_per_s=None,
        latency_s=decided.latency_s,
        ceilings=OBJECTIVE.ceilings,
        violations={"p99 <= 20ms": decided.latency_s["p99"] / 0.02 - 1, "rate": 0.0},
        decided_by=decided,
        probes=probes,
        seconds=10.0,
        instances=instances,
    )
    return TrialOutcome(
        OutcomeKind.FEASIBLE if held else OutcomeKind.INFEASIBLE,
        Candidate(
            (
                ("max_batch_size", batch),
                ("max_queue_delay_microseconds", delay_us),
                ("instance_count", instances),
            )
        ),
        {"net": config.to_text()},
        measurement,
        startup_s=1.0,
        seconds=12.0,
        forecast=Forecast(capacity * random.lognormal(0, 0.1), capacity, 0.1, 4.0),
    )


def _probe(random: np.random.Generator, rate_per_s: float, batch: int) -> Probe:
    latency_s = 0.004 + random.exponential(0.0025, 1000)
    if rate_per_s > 300.0 * batch**0.6:
        latency_s *= 2
    named = {f"p{percent}": float(np.quantile(latency_s, percent / 100)) for percent in (50, 90, 95, 99)}
    named["avg"] = float(latency_s.mean())
    count = len(latency_s)
    mean = max(1, batch // 2)
    return Probe(
        purpose="locate",
        schedule=PoissonRate(rate_per_s, seed=1),
        started_at=1.7e9,
        duration_s=count / rate_per_s,
        offered_per_s=rate_per_s,
        achieved_per_s=rate_per_s,
        requests=count,
        errors={},
        latency_s=named,
        lateness_p99_s=1e-4,
        server=ModelStatistics(
            inference_count=count,
            execution_count=count // mean,
            success_count=count,
            queue_ns=count * 2_000_000,
            compute_infer_ns=count * 2_000_000,
            batch_executions={1: 10, mean: count // mean},
            batch_compute_ns={1: 10**7, mean: 10**9},
        ),
        kept_up=True,
        holds=named["p99"] <= OBJECTIVE.ceilings[0].limit_s,
        client=ClientTimes(named["avg"], 1e-5, 2e-5, 3e-5),
        usage=Usage(0.2, server_cpu_s=1.0, memory_bytes=10**9 + batch * 10**7, cores=2, seconds=1.0),
        histogram=histogram(latency_s),
    )


if __name__ == "__main__":
    main()
