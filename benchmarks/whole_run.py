"""How long a whole `autotune run` takes beside an earlier build, and whether it delivers as much.

Runs the same command with both builds in turns, search, final comparison and certificate included, each with its own
results. After each pair both exported configs are measured by this build on fresh servers.

    git worktree add FOLDER COMMIT
    python -m benchmarks.whole_run --before FOLDER [--model accelerator --p99 20ms] [--pairs 5] [--json FILE]
        [-- --load closed]

A model of `benchmarks.model_analyzer`, such as `knee`, is written first. What follows ``--`` goes to both commands.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.model_analyzer._subjects import find_subject

ROOT = Path(__file__).parents[1]
MOST_TIME, LEAST_THROUGHPUT = 0.6, 0.97  # of the earlier build's
_LIMIT_S = 900.0


@dataclass(frozen=True)
class Run:
    """One run of one build.

    Attributes:
        seconds: Wall time of the command.
        measured_per_s: Inferences/s that the exported config sustains, measured afterwards; 0 where none was exported.
    """

    seconds: float
    measured_per_s: float


def main() -> None:
    """Prints a line a run, then both ratios of the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--before", type=Path, required=True, help="a checkout of the earlier build")
    parser.add_argument("--model", default="accelerator")
    parser.add_argument("--p99", default="20ms")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("options", nargs="*", metavar="-- OPTION", help="further options of both commands")
    arguments = parser.parse_args()
    builds = {"before": arguments.before.resolve(), "now": ROOT}
    runs: dict[str, list[Run]] = {name: [] for name in builds}
    for pair in range(arguments.pairs):
        exported: dict[str, tuple[float, Path | None]] = {}
        with tempfile.TemporaryDirectory() as folder:
            spec = find_subject(arguments.model, Path(folder) / "models").spec
            given = [*arguments.options, "--model-repository", str(spec.path.parent), "--model", spec.name]
            given += ["--p99", arguments.p99]
            order = list(builds) if pair % 2 == 0 else list(reversed(builds))
            for name in order:
                exported[name] = whole_run(builds[name], Path(folder) / name, spec.name, [*given, "--seed", str(pair)])
            for name in order:
                seconds, config = exported[name]
                run = Run(seconds, sustained_per_s(config, Path(folder), [*given, "--seed", str(1000 + pair)]))
                runs[name].append(run)
                print(f"pair {pair}, {name}: {run.seconds:.0f} s, {run.measured_per_s:,.0f} inferences/s", flush=True)
    time_ratio = _ratio([run.seconds for run in runs["now"]], [run.seconds for run in runs["before"]])
    rate_ratio = _ratio([run.measured_per_s for run in runs["now"]], [run.measured_per_s for run in runs["before"]])
    print(f"wall time: {time_ratio:.2f} times the earlier build's (at most {MOST_TIME})")
    print(f"delivered: {rate_ratio:.2f} times the earlier build's (at least {LEAST_THROUGHPUT})")
    if arguments.json:
        figures = {
            "model": arguments.model,
            "p99": arguments.p99,
            "runs": {name: [asdict(run) for run in each] for name, each in runs.items()},
            "time_ratio": round(time_ratio, 3),
            "throughput_ratio": round(rate_ratio, 3),
        }
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


def whole_run(build: Path, results: Path, model: str, given: list[str]) -> tuple[float, Path | None]:
    """Seconds that the build's run took, and the config that it exported; None where it exported none."""
    started = time.monotonic()
    _autotune(build, "run", *given, "--study", "whole", "--results", str(results))
    seconds = time.monotonic() - started
    config = results / "whole" / "best" / model / "config.pbtxt"
    return seconds, config if config.exists() else None


def sustained_per_s(config: Path | None, folder: Path, given: list[str]) -> float:
    """Inferences/s that a config sustains under the ceiling, measured by this build with arrivals of its own."""
    if config is None:
        return 0.0
    results = str(folder / "measured")
    printed = _autotune(ROOT, "measure", *given, "--model-config", str(config), "--results", results, "--json")
    measured = json.loads(printed).get("measurement") or {}
    return float(measured.get("located_per_s") or measured.get("rate_per_s") or 0.0)


def _autotune(build: Path, command: str, *flags: str) -> str:
    """Runs a build's command on the embedded server and returns what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(build)}
    ended = subprocess.run(
        [sys.executable, "-m", "autotune", command, "--launch", "embedded", *flags],
        cwd=build,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    if ended.returncode not in (0, 3):
        raise SystemExit(f"autotune {command} of {build} ended with {ended.returncode}: {ended.stderr[-500:]}")
    return ended.stdout


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(ours) / statistics.median(theirs)


if __name__ == "__main__":
    main()
