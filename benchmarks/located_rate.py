"""How close a measurement comes to the truth on the bundled `accelerator`, and how long it takes.

The truth is a bisection of 5 minutes with long windows, recorded once (`--record`) in `located_rate.json` for a batch
size and an instance count. Then a survivor is located and certified and a loser, with half the batch and one instance,
races against that rate, each on a fresh server and with seeds of its own, in turn. Targets: located within 3% in 9 of
10 repeats; median time under 15 s for a survivor to be located and under 4 s for a loser, both from the ready server
on.

    python benchmarks/located_rate.py --record [--batch 16] [--instances 2]
    python benchmarks/located_rate.py [--batch 16] [--instances 2] [--repeats 10]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import statistics
import tempfile
import time
from pathlib import Path

from autotune.load import LoadGenerator, PoissonRate
from autotune.measurement import LOCATED_RATE, Deployment, Measurement, MeasureOptions, Meter, Question
from autotune.objective import Ceiling, Objective
from autotune.repository import ConfigSet, ModelConfig, ModelRepository
from autotune.server import LaunchOptions, choose_launcher

REPOSITORY = Path(__file__).parent.parent / "model_repository"
TRUTH = Path(__file__).with_suffix(".json")
CEILING = Ceiling("p99", 0.02)
OBJECTIVE = Objective("throughput", (CEILING,))
TRUTH_S = 300.0
TRUTH_WINDOW_S = 30.0
WITHIN = 0.03


def main() -> None:
    """Prints one line a measurement and a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--record", action="store_true", help="record the truth instead")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--instances", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=10)
    arguments = parser.parse_args()
    launcher, _ = choose_launcher("embedded", LaunchOptions())
    with tempfile.TemporaryDirectory() as directory:
        spec = ModelRepository(REPOSITORY).model("accelerator")
        deployment = Deployment(spec, launcher, Path(directory))
        if arguments.record:
            record(deployment, arguments.batch, arguments.instances)
        else:
            compare(deployment, arguments.batch, arguments.instances, arguments.repeats)


def record(deployment: Deployment, batch: int, instances: int) -> None:
    """Bisects for `TRUTH_S` with windows of `TRUTH_WINDOW_S` and writes the bracket."""
    with deployment.serve(ConfigSet.of(config(batch, instances)), deployment.directory / "truth.log") as served:
        first = Meter(served.server, served.generator, OBJECTIVE).measure()
        middle = first.located_per_s or 0.0
        held, failed = middle * 0.9, middle * 1.1
        began, seed, windows = time.monotonic(), 77_000, []
        while time.monotonic() - began < TRUTH_S:
            rate = math.sqrt(held * failed)
            late = late_fraction(served.generator, rate, seed)
            windows.append((round(rate, 1), round(late, 5)))
            print(f"{rate:8.1f} inferences/s: {late:.3%} late", flush=True)
            seed += 1
            if late <= 1 - CEILING.quantile:
                held = rate
            else:
                failed = rate
    truths = json.loads(TRUTH.read_text()) if TRUTH.exists() else {}
    truths[named(batch, instances)] = {
        "ceiling": str(CEILING),
        "held_per_s": round(held, 1),
        "failed_per_s": round(failed, 1),
        "windows": windows,
    }
    TRUTH.write_text(json.dumps(truths, indent=1) + "\n")


def named(batch: int, instances: int) -> str:
    """A config's name among the truths."""
    return f"batch {batch}, instances {instances}"


def late_fraction(generator: LoadGenerator, rate_per_s: float, seed: int) -> float:
    """The fraction of requests over the ceiling in one long window."""
    result = generator.run(PoissonRate(rate_per_s, seed), TRUTH_WINDOW_S, 2.0)
    return float((~(result.latency_s <= CEILING.limit_s)).mean())


def compare(deployment: Deployment, batch: int, instances: int, repeats: int) -> None:
    """Measures survivor and loser in turn and prints how they fared."""
    recorded = json.loads(TRUTH.read_text()).get(named(batch, instances))
    if recorded is None:
        raise SystemExit(f"no truth of {named(batch, instances)} in {TRUTH.name}; --record it first")
    truth = math.sqrt(recorded["held_per_s"] * recorded["failed_per_s"])
    survivors, certificates, losers = [], [], []
    for repeat in range(repeats):
        survivor, certificate = certified(deployment, config(batch, instances), seed=1000 + repeat)
        loser = checked(deployment, config(batch // 2, 1), truth, seed=2000 + repeat)
        survivors.append(survivor)
        certificates.append(certificate)
        losers.append(loser)
        located = survivor.located_per_s or math.nan
        print(
            f"located {located:7.0f} ({located / truth - 1:+.1%}) in {survivor.seconds:4.1f} s"
            f" ({len(survivor.probes)} windows), certified {certificate.rate_per_s:7.0f} at"
            f" {certificate.confidence:.0%} in {certificate.seconds:4.1f} s;"
            f" loser {'pruned' if loser.beaten_by_per_s else 'NOT PRUNED'} in {loser.seconds:.1f} s",
            flush=True,
        )
    close = sum(abs((each.located_per_s or 0.0) / truth - 1) <= WITHIN for each in survivors)
    error = statistics.median((each.located_per_s or 0.0) / truth - 1 for each in survivors)
    rows = {
        "truth, inferences/s": f"{truth:,.0f}",
        "located within 3%": f"{close} of {repeats}",
        "median error": f"{error:+.1%}",
        "located, median s": f"{statistics.median(each.seconds for each in survivors):.1f}",
        "certified, median of truth": f"{statistics.median(each.rate_per_s / truth for each in certificates):.0%}",
        "confidence, median": f"{statistics.median(each.confidence for each in certificates):.0%}",
        "certificate, median s": f"{statistics.median(each.seconds for each in certificates):.1f}",
        "losers pruned": f"{sum(each.beaten_by_per_s is not None for each in losers)} of {repeats}",
        "loser, median s": f"{statistics.median(each.seconds for each in losers):.1f}",
    }
    print(f"\n| {' | '.join(rows)} |\n|{'---|' * len(rows)}\n| {' | '.join(rows.values())} |")


def certified(deployment: Deployment, survivor: ModelConfig, *, seed: int) -> tuple[Measurement, Measurement]:
    """The survivor, located and then certified on one fresh server."""
    options = MeasureOptions.of(1.0, seed)
    with deployment.serve(ConfigSet.of(survivor), deployment.directory / "survivor.log") as served:
        located = Meter(served.server, served.generator, OBJECTIVE, options).measure(LOCATED_RATE)
        around = Question(located=False, around_per_s=located.located_per_s, seed=seed)
        return located, Meter(served.server, served.generator, OBJECTIVE, options).measure(around)


def checked(deployment: Deployment, loser: ModelConfig, rate_per_s: float, *, seed: int) -> Measurement:
    """The loser's race against a rate, on a fresh server."""
    options = MeasureOptions.of(1.0, seed)
    question = dataclasses.replace(LOCATED_RATE, beat_per_s=rate_per_s)
    with deployment.serve(ConfigSet.of(loser), deployment.directory / "loser.log") as served:
        return Meter(served.server, served.generator, OBJECTIVE, options).measure(question)


def config(batch: int, instances: int) -> ModelConfig:
    """The accelerator's config with another batch size and instance count."""
    base = ModelRepository(REPOSITORY).model("accelerator").config
    return base.with_value("max_batch_size", batch).with_value("instance_group[0].count", instances)


if __name__ == "__main__":
    main()
