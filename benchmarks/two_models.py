"""Whether tuning two models together gains over tuning each alone and deploying both.

A fast and a slow model share one emulated device. Both are tuned alone, each under its own ceiling, and together. Then
both pairs of configs are measured on one server under the shared load: the highest common factor of the traffic at
which every model meets its ceiling.

    python -m benchmarks.two_models [--pairs 3] [--trials 16] [--json benchmarks/results/two_models.json]
    python -m benchmarks.two_models --quick      one pair of short searches, to see that it works
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).parents[1]
LEAST_RATIO = 1.3
_LIMIT_S = 3600.0
_SPACE = """
parameters:
  max_batch_size: {low: 1, high: 64, scale: log2}
  dynamic_batching: true
  max_queue_delay_microseconds: [0, 2000, 10000]
  instance_count: [1, 2, 3]
"""


@dataclass(frozen=True)
class Model:
    """A model of the shared device, see `model_repository/accelerator`.

    Attributes:
        name: Its name.
        weight: Its part of the traffic.
        p99: Its ceiling.
        times_ms: ``host_ms``, ``device_fixed_ms`` and ``device_per_item_ms``.
    """

    name: str
    weight: float
    p99: str
    times_ms: dict[str, float]


MODELS = (
    Model("fast", 4, "20ms", {"host_ms": 0.5, "device_fixed_ms": 1, "device_per_item_ms": 0.1}),
    Model("slow", 1, "100ms", {"host_ms": 10, "device_fixed_ms": 6, "device_per_item_ms": 0.5}),
)
WEIGHTS = ",".join(f"{each.name}={each.weight:g}" for each in MODELS)
CEILINGS = ",".join(f"{each.name}={each.p99}" for each in MODELS)


def main() -> None:
    """Prints a line a pair, then the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--trials", type=int, default=16, help="trials of each search")
    parser.add_argument("--quick", action="store_true", help="one pair, 4 trials, no final comparison")
    parser.add_argument("--share-machine", action="store_true", help="go on while other runs measure")
    parser.add_argument("--commit", default="", help="the code that is measured, for the JSON file")
    parser.add_argument("--machine", default="", help="what it runs on, for the JSON file")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    pairs, trials = (1, 4) if arguments.quick else (arguments.pairs, arguments.trials)
    common = ["--share-machine"] if arguments.share_machine else []
    search = [*common, "--trials", str(trials), *(["--final-rounds", "0"] if arguments.quick else [])]
    alone_per_s, joint_per_s = [], []
    for pair in range(pairs):
        with tempfile.TemporaryDirectory() as folder:
            repository = write_repository(Path(folder) / "models")
            space = Path(folder) / "space.yaml"
            space.write_text(_SPACE)
            seed = [*search, "--seed", str(pair), "--search-space", str(space), "--results", f"{folder}/results"]
            alone = write_repository(Path(folder) / "alone")
            for each in MODELS:
                autotune("run", repository, "--model", each.name, "--p99", each.p99, "--study", each.name, *seed)
                deploy(Path(folder) / "results" / each.name / "best", alone)
            shared = ["--models", WEIGHTS, "--p99", CEILINGS]
            autotune("run", repository, *shared, "--study", "joint", *seed)
            joint = write_repository(Path(folder) / "joint")
            deploy(Path(folder) / "results" / "joint" / "best", joint)
            for rates, deployed in ((alone_per_s, alone), (joint_per_s, joint)):
                flags = [*shared, *common, "--seed", str(1000 + pair), "--results", f"{folder}/measured", "--json"]
                measured = json.loads(autotune("measure", deployed, *flags))["measurement"] or {}
                rates.append(float(measured.get("located_per_s") or 0.0))
        print(
            f"pair {pair}: tuned alone {alone_per_s[-1]:,.0f}, together {joint_per_s[-1]:,.0f} inferences/s", flush=True
        )
    alone_median, joint_median = statistics.median(alone_per_s), statistics.median(joint_per_s)
    if not alone_median:
        raise SystemExit("the configs that were tuned alone meet the ceilings at no load; nothing to divide by")
    ratio = joint_median / alone_median
    print(f"together: {ratio:.2f} times the common factor of the configs tuned alone (at least {LEAST_RATIO})")
    if arguments.json:
        arguments.json.write_text(
            json.dumps(
                {
                    "question": "Does tuning two models of one device together gain over tuning each alone?"
                    f" (`{WEIGHTS}`, p99 `{CEILINGS}`)",
                    "command": " ".join(["python -m benchmarks.two_models", *sys.argv[1:]]),
                    "date": f"{datetime.now(timezone.utc):%Y-%m-%d}",
                    "commit": arguments.commit,
                    "machine": arguments.machine,
                    "figures": [
                        {
                            "name": f"common factor, times that of configs tuned alone ({joint_median:,.0f} and"
                            f" {alone_median:,.0f} inferences/s, {pairs} pairs)",
                            "value": round(ratio, 2),
                            "at_least": LEAST_RATIO,
                        }
                    ],
                },
                indent=2,
            )
            + "\n"
        )


def write_repository(directory: Path) -> Path:
    """A repository with both models, each with plain configs."""
    for each in MODELS:
        shutil.copytree(ROOT / "model_repository" / "accelerator", directory / each.name)
        config = (directory / each.name / "config.pbtxt").read_text()
        own, _, _ = config.partition("# A batch of b items")
        times = {**{name: f"{value:g}" for name, value in each.times_ms.items()}, "device": "shared"}
        lines = [
            f'parameters {{ key: "{name}" value: {{ string_value: "{value}" }} }}\n' for name, value in times.items()
        ]
        named = own.replace('name: "accelerator"', f'name: "{each.name}"')
        (directory / each.name / "config.pbtxt").write_text(named + "".join(lines))
    return directory


def deploy(best: Path, repository: Path) -> None:
    """Copies the exported configs into a repository; a model whose config did not change has none."""
    for path in best.glob("*/config.pbtxt"):
        shutil.copy(path, repository / path.parent.name / "config.pbtxt")


def autotune(command: str, repository: Path, *flags: str) -> str:
    """Runs a command on the embedded server and returns what it printed."""
    where = ["--model-repository", str(repository), "--launch", "embedded"]
    ended = subprocess.run(
        [sys.executable, "-m", "autotune", command, *where, *flags],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    undecided = command == "measure" and ended.stdout  # exit code 1: no rate, which counts as 0
    if ended.returncode not in (0, 3) and not undecided:
        raise SystemExit(f"autotune {command} ended with {ended.returncode}: {ended.stderr[-500:]}")
    return ended.stdout


if __name__ == "__main__":
    main()
