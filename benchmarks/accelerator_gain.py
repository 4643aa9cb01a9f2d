"""What tuning gains on the bundled `accelerator`, measured apart from the search.

Tunes `accelerator` (ceiling p99 20 ms, 20 trials), then measures the exported config and a plain one (one instance,
`max_batch_size: 8`, `dynamic_batching { }`) on fresh servers, interleaved, with seeds and requests of their own.

    python benchmarks/accelerator_gain.py [--trials 20] [--rounds 3] [--launch embedded]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

import autotune
from autotune.measurement import Deployment, MeasureOptions, Meter
from autotune.objective import Ceiling, Objective
from autotune.repository import ConfigSet, ModelConfig, ModelRepository
from autotune.server import Launcher, LaunchOptions, choose_launcher

REPOSITORY = Path(__file__).parent.parent / "model_repository"
CEILING_MS = 20
WANTED_GAIN = 2.5


def main() -> None:
    """Prints one line a measurement and the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--launch", default="embedded")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as results:
        tuned = autotune.tune(
            REPOSITORY,
            "accelerator",
            p99=f"{CEILING_MS}ms",
            trials=arguments.trials,
            launch=arguments.launch,
            seed=arguments.seed,
            results=results,
        )
        if tuned.config_path is None:
            raise SystemExit("no trial kept the ceiling")
        print(f"search: {len(tuned.trials)} trials in {tuned.seconds:.0f} s; exported config:")
        print(tuned.config_path.read_text())
        exported = ModelConfig.parse(tuned.config_path.read_text(), str(tuned.config_path))
        plain = ModelRepository(REPOSITORY).model("accelerator").config  # one instance, batch 8, dynamic_batching { }
        launcher, _ = choose_launcher(arguments.launch, LaunchOptions())
        rates: dict[str, list[float]] = {"plain": [], "exported": []}
        for number in range(arguments.rounds):
            for name, config in (("plain", plain), ("exported", exported)):
                rate = measured_rate(config, launcher, Path(results), seed=1000 + number)
                rates[name].append(rate)
                print(f"round {number}: {name:>8} {rate:8.0f} inferences/s with p99 <= {CEILING_MS} ms")
    gain = statistics.median(rates["exported"]) / statistics.median(rates["plain"])
    verdict = "reached" if gain >= WANTED_GAIN else "not reached"
    print(f"gain: {gain:.2f} times (median over {arguments.rounds} rounds); {WANTED_GAIN} {verdict}")


def measured_rate(config: ModelConfig, launcher: Launcher, directory: Path, seed: int) -> float:
    """The highest inferences/s under the ceiling, on a fresh server, at a finer resolution than a trial's."""
    objective = Objective("throughput", (Ceiling("p99", CEILING_MS / 1e3),))
    options = replace(MeasureOptions.of(2.0, seed), resolution=0.02)
    spec = ModelRepository(REPOSITORY).model("accelerator")
    deployment = Deployment(spec, launcher, directory)
    with deployment.serve(ConfigSet.of(config), directory / "independent.log") as served:
        return Meter(served.server, served.generator, objective, options).measure().rate_per_s


if __name__ == "__main__":
    main()
