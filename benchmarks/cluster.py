"""Several workers: what is lost when they are killed, how much sooner a good config is found, what coordinating costs.

    python -m benchmarks.cluster losses [--kills 20]     real Ray, emulated devices, workers and nodes killed at random
    python -m benchmarks.cluster speed [--seeds 20]      real coordinator on a simulated clock, recorded grids
    python -m benchmarks.cluster coordinator             CPU of the coordinator for each trial, 1 to 32 workers

`losses` needs the extra `ray`. Its workers answer from a recorded grid and sleep a part of the recorded seconds.
`speed` asks when the config that measured best so far comes to within 3% of the recorded optimum.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from autotune.outcome import TrialOutcome
from autotune.repository import ModelConfig, ModelSpec
from autotune.search import Coordinator, SilentObserver, StudyPlan, Trial, TrialWatch
from autotune.space import JointSpace, SearchSpace
from autotune.store import Store, database_url
from benchmarks.replay._emulated import DEVICE, EmulatedSetup
from benchmarks.replay._grid import Grid
from benchmarks.replay._outcomes import outcome
from benchmarks.replay._replay import replay
from benchmarks.replay._simulations import remembered
from benchmarks.replay._subjects import SUBJECTS
from benchmarks.replay._truth import likely
from benchmarks.replay._workers import SimulatedWorkers

GRIDS = Path(__file__).parent / "replay" / "grids"
NEAR = 0.97
NOISE = 0.03
STORE_BYTES = 80 * 2**20
WIDE = """
parameters:
  max_batch_size: {low: 1, high: 128, scale: log2}
  dynamic_batching: [true, false]
  max_queue_delay_microseconds: [0, 100, 200, 500, 1000, 2000, 3000, 4000, 5000, 7000, 10000]
  preferred_batch_size: [none, [4], [8], [16]]
  instance_count: [1, 2, 3, 4, 5, 6, 7, 8]
"""


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    commands = parser.add_subparsers(dest="command", required=True)
    losing = commands.add_parser("losses", help="kill workers and nodes of a real cluster at random")
    losing.add_argument("--kills", type=int, default=20)
    losing.add_argument("--workers", type=int, default=8)
    losing.add_argument("--trials", type=int, default=160)
    losing.add_argument("--pace", type=float, default=0.5, help="seconds that pass for each recorded second")
    losing.add_argument("--every", type=float, default=1.0, help="mean seconds between two kills")
    losing.add_argument("--seed", type=int, default=0)
    racing = commands.add_parser("speed", help="time until a good config is known, by workers")
    racing.add_argument("--seeds", type=int, default=20)
    racing.add_argument("--samplers", default="model,tpe")
    racing.add_argument("--workers", default="1,4,8")
    racing.add_argument("--grids", default=",".join(path.stem for path in sorted(GRIDS.glob("*.json"))))
    costing = commands.add_parser("coordinator", help="CPU of the coordinator for each trial")
    costing.add_argument("--trials", type=int, default=2000)
    costing.add_argument("--samplers", default="model,tpe")
    costing.add_argument("--workers", default="1,8,32")
    for each in (losing, racing, costing):
        each.add_argument("--json", type=Path, help="file that the figures go to")
    arguments = parser.parse_args()
    figures = {"losses": losses, "speed": speed, "coordinator": coordinator}[arguments.command](arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


def losses(arguments: argparse.Namespace) -> dict[str, Any]:
    """Runs a study while workers are killed; one kill in five takes a node, and another one joins."""
    from ray.cluster_utils import Cluster

    from autotune.cluster import Job, RayWorkers
    from autotune.cluster._connection import connected, on_each
    from autotune.cluster._worker import clean

    rng = random.Random(arguments.seed)
    grid_path = GRIDS / "accelerator.json"
    grid = Grid.read(grid_path)
    small = {"object_store_memory": STORE_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **small})
    nodes = [cluster.add_node(num_cpus=2, resources={"trial": 2}, **small) for _ in range(arguments.workers // 2)]
    killed: Counter[str] = Counter()

    with tempfile.TemporaryDirectory(prefix="losses-") as name, connected(cluster.address) as ray:
        directory = Path(name)
        (starts := directory / "starts").mkdir()

        job = Job(f"losses-{os.getpid()}", EmulatedSetup(grid_path, arguments.pace, starts), DEVICE.digest)
        workers = RayWorkers(ray, job, {"trial": 1.0}, DEVICE, directory / "logs", print, losses=20)
        plan = replace(_plan(grid, "tpe", arguments.seed), trials=arguments.trials)
        store = Store.open(database_url(directory))
        stopped = []

        def study() -> None:
            run = Coordinator(plan, store, workers, DEVICE, SilentObserver(), workers=workers).run()
            stopped.append(run.stopped)

        thread = threading.Thread(target=study)  # nodes are started in the main thread only
        thread.start()
        while thread.is_alive():
            thread.join(rng.expovariate(1 / arguments.every))
            if not any(starts.iterdir()) or sum(killed.values()) >= arguments.kills or not thread.is_alive():
                continue
            if len(nodes) > 1 and rng.random() < 0.2:
                cluster.remove_node(nodes.pop(rng.randrange(len(nodes))), allow_graceful=False)
                killed["nodes"] += 1
                nodes.append(cluster.add_node(num_cpus=2, resources={"trial": 2}, **small))
                continue
            latest = sorted(starts.iterdir(), key=lambda path: path.stat().st_mtime)[-arguments.workers :]
            alive = [process for each in latest if (process := _worker(int(each.name.split("-")[1])))]
            if alive:
                with suppress(ProcessLookupError):
                    os.kill(rng.choice(alive), signal.SIGKILL)
                    killed["workers"] += 1
        stored = [trial.number for trial in store.trials(store.studies()[0])]
        begun = len(list(starts.iterdir()))
        store.close()
        on_each(ray, workers.nodes(), clean, job)
        directory_left = job.directory.exists()
    cluster.shutdown()
    time.sleep(1)
    left = [each for each in psutil.Process().children(recursive=True) if "ray::" in " ".join(_command(each))]
    found = {
        "workers_killed": killed["workers"],
        "nodes_killed": killed["nodes"],
        "trials_wanted": arguments.trials,
        "trials_stored": len(stored),
        "lost": arguments.trials - len(set(stored)),
        "counted_twice": len(stored) - len(set(stored)),
        "starts": begun,
        "processes_left": len(left),
        "directory_left": directory_left,
        "stopped": "".join(stopped),
    }
    print(json.dumps(found, indent=1))
    return found


def _worker(pid: int) -> int | None:
    """The process if it is still a worker of Ray."""
    try:
        return pid if "ray::" in " ".join(psutil.Process(pid).cmdline()) else None
    except psutil.Error:
        return None


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _plan(grid: Grid, sampler: str, seed: int) -> StudyPlan:
    return StudyPlan(
        name="cluster",
        models=grid.subject.models,
        space=grid.space,
        objective=grid.subject.objective,
        sampler=sampler,
        seed=seed,
        trials=None,
        time_budget_s=None,
        final_rounds=0,
    )


def speed(arguments: argparse.Namespace) -> dict[str, Any]:
    """Prints a row for each sampler, grid and number of workers."""
    counts = [int(each) for each in arguments.workers.split(",")]
    found: dict[str, Any] = {}
    print("| sampler | grid | workers | mean s to within 3% | of one worker's | not reached | trials |")
    print("|---|---|---|---|---|---|---|")
    with remembered(2):
        for sampler in arguments.samplers.split(","):
            for name in arguments.grids.split(","):
                grid = likely(Grid.read(GRIDS / f"{name}.json")).grid
                alone_s = 0.0
                for count in counts:
                    mean_s, missed, trials = _time_to_near(grid, sampler, count, arguments.seeds)
                    alone_s = alone_s or mean_s
                    found[f"{sampler} {name} {count}"] = [mean_s, mean_s / alone_s, missed, trials]
                    print(
                        f"| {sampler} | {name} | {count} | {mean_s:.1f} | {mean_s / alone_s:.2f} | {missed} "
                        f"| {trials:.1f} |",
                        flush=True,
                    )
            for count in counts:
                parts = [
                    each[1] for key, each in found.items() if key.startswith(sampler) and key.endswith(f" {count}")
                ]
                print(f"| {sampler} | geometric mean | {count} | | {statistics.geometric_mean(parts):.2f} | | |")
    return found


def _time_to_near(grid: Grid, sampler: str, workers: int, seeds: int) -> tuple[float, int, float]:
    """Mean seconds to within 3%, studies that ended before (their whole time counts), and mean trials."""
    times, missed, trials = [], 0, []
    for seed in range(seeds):
        found = replay(grid, sampler, seed, 100, grid.noise or NOISE, 0, workers)
        near = (
            ended_s
            for ended_s, chosen_per_s in zip(found.elapsed_s, found.chosen_per_s, strict=True)
            if chosen_per_s >= NEAR * grid.optimum_per_s
        )
        reached_s = next(near, None)
        missed += reached_s is None
        times.append(found.elapsed_s[-1] if reached_s is None else reached_s)
        trials.append(len(found.elapsed_s))
    return statistics.mean(times), missed, statistics.mean(trials)


class _Synthetic:
    """Answers at once: larger batches and more instances are faster, up to a point."""

    def __init__(self, spec: ModelSpec, plan: StudyPlan) -> None:
        self._plan = plan

    def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
        """See `autotune.search.Executor`."""
        config: ModelConfig = trial.configs.asked
        rng = random.Random(trial.number)
        rate_per_s = 100.0 * min(64, max(1, config.max_batch_size)) ** 0.5 * min(4, config.instance_count or 1)
        objective, seconds = self._plan.objective, 3.0 + rng.random()
        return outcome(objective, trial.candidate, config, rate_per_s * rng.uniform(0.9, 1.1), seconds=seconds)


def coordinator(arguments: argparse.Namespace) -> dict[str, Any]:
    """Prints the CPU milliseconds of each tenth of a study's trials, by sampler and workers."""
    subject = SUBJECTS["accelerator"]
    spec = subject.spec
    space, _ = SearchSpace.parse(WIDE, "wide").restricted_to(spec)
    print(f"{space.size} configs; CPU ms for each trial, by tenth of the study")
    found: dict[str, Any] = {}
    for sampler in arguments.samplers.split(","):
        for count in map(int, arguments.workers.split(",")):
            plan = replace(
                StudyPlan("cost", (spec,), JointSpace({spec.name: space}), subject.objective, sampler, 0, None, None),
                trials=arguments.trials,
                final_rounds=0,
            )
            with tempfile.TemporaryDirectory(prefix="coordinator-") as name:
                store = Store.open(database_url(Path(name)))
                executor = _Synthetic(spec, plan)
                workers = SimulatedWorkers(executor, count)
                spent: list[float] = []

                class Clocked(SilentObserver):
                    def trial_finished(self, *_: object, spent: list[float] = spent) -> None:
                        spent.append(time.process_time())

                begun = time.process_time()
                run = Coordinator(plan, store, executor, DEVICE, Clocked(), workers.clock, workers).run()
                store.close()
            marks = [begun, *spent]
            tenth = max(1, len(spent) // 10)
            parts = [
                1e3 * (marks[min(start + tenth, len(spent))] - marks[start]) / tenth
                for start in range(0, tenth * 10, tenth)
            ]
            found[f"{sampler} {count}"] = {"trials": len(spent), "ms": parts, "stopped": run.stopped}
            shown = ", ".join(f"{each:.0f}" for each in parts)
            print(f"{sampler:>6} {count:>3} workers, {len(spent)} trials: {shown}  ({run.stopped})", flush=True)
    return found


if __name__ == "__main__":
    main()
