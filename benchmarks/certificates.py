"""How often a certificate is proved within `--certify-time`, on real servers.

Each run starts a fresh server with a config as studies deliver it, searches the highest load that meets the ceiling
and certifies it. Target: 9 of 10 at 95% confidence or more.

    python -m benchmarks.certificates [--models accelerator,mnist,knee] [--load open] [--runs 10]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from autotune.measurement import Deployment, MeasureOptions, Meter
from autotune.objective import parse_ceilings, parse_objective
from autotune.repository import ConfigSet, ModelConfig
from autotune.server import LaunchOptions, choose_launcher
from benchmarks.model_analyzer._subjects import CEILINGS, find_subject

CONFIDENCE, AT_LEAST = 0.95, 0.9
DELIVERED = {"accelerator": (64, 7000, 3), "mnist": (16, 0, 1), "knee": (21, 0, 2)}
"""Batch size, queue delay in us, and instances."""


def main() -> None:
    """Prints a line a run and one a model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--models", default=",".join(DELIVERED))
    parser.add_argument("--load", default="open", choices=("open", "closed"))
    parser.add_argument("--runs", type=int, default=10)
    arguments = parser.parse_args()
    launcher, _ = choose_launcher("embedded", LaunchOptions())
    for name in arguments.models.split(","):
        with tempfile.TemporaryDirectory() as folder:
            directory = Path(folder)
            spec = find_subject(name, directory / "models").spec
            objective = parse_objective("throughput", parse_ceilings(p99=CEILINGS[name]), load=arguments.load)
            deployment = Deployment(spec, launcher, directory)
            runs = []
            for run in range(arguments.runs):
                with deployment.serve(ConfigSet.of(delivered(spec.config, name)), directory / f"{run}.log") as served:
                    options = MeasureOptions.of(1.0, run)
                    runs.append(Meter(served.server, served.generator, objective, options).measure())
                print(
                    f"{name}, run {run + 1}: {runs[-1].located_per_s or 0:,.0f} inferences/s, certified"
                    f" {runs[-1].rate_per_s:,.0f} at {runs[-1].confidence:.0%} after {runs[-1].seconds:.0f} s",
                    flush=True,
                )
        proved = sum(each.confidence >= CONFIDENCE for each in runs)
        parts = [each.rate_per_s / each.located_per_s for each in runs if each.located_per_s]
        part = f"{statistics.median(parts):.2f} of the estimated one" if parts else "of none, as no run found a load"
        print(
            f"{name}, {objective}: {proved} of {len(runs)} proved (target: {AT_LEAST:.0%}), the certified rate"
            f" {part}, {statistics.median(each.seconds for each in runs):.0f} s"
        )


def delivered(config: ModelConfig, name: str) -> ModelConfig:
    """The model's config as studies deliver it."""
    batch, delay_us, count = DELIVERED[name]
    config = config.with_value("max_batch_size", batch).with_value("instance_group[0].count", count)
    return config.with_value("dynamic_batching.max_queue_delay_microseconds", delay_us)


if __name__ == "__main__":
    main()
