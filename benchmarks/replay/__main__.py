"""Records what every config of a space sustains, and scores every sampler on it over many seeds without a server.

    python -m benchmarks.replay record accelerator [--limit 20m]     again and again until all is measured
    python -m benchmarks.replay record accelerator --pack            writes grids/accelerator.json
    python -m benchmarks.replay record knee_21                       a device on real servers: grids/knee_21_served.json
    python -m benchmarks.replay repeat accelerator [--repeats 20]    how much trials scatter, into the grid
    python -m benchmarks.replay score [--seeds 50]                   tables, and a plot for each grid
    python -m benchmarks.replay judge [knee_21 ...] [--seeds 50]     what studies deliver on devices or recorded grids
    python -m benchmarks.replay stops [accelerator ...] [--seeds 50] what studies that end by themselves leave untried
    python -m benchmarks.replay ablate [--seeds 10]                  what each rule of prediction is worth
    python -m benchmarks.replay simulate [--varies-by 0.05,0.1]      how close the simulation comes to each grid

Scored is the product's own coordinator with its starts, samplers, stopping rule, race and finals; only servers are left
out. The rate that a config sustains is estimated from the recorded rates of all, without most of their errors
(`benchmarks.replay._truth`); --recorded takes the recorded rate itself. A trial finds that times a lognormal error,
whose size is that of trials of the best config one right after the other, as in a study; where there are none, of a
reference config measured again and again during the recording, to which the drift of the machine adds. Seconds are
those of the recording, whose probes are shorter than a study's; what a sampler takes to propose is not in them. All
samplers have the starts in common (the baseline, Triton's default, the largest batch; `model` also the most instances),
which are restarts too. Target: within 3% of the best config in at most 8 restarts for 95% of seeds.

Devices with knees, steps, cliffs and a square root are simulated (`benchmarks.replay._devices`); some are recorded too,
served by the pretended accelerator with the device's curve. On half of the devices, `TUNING`, and on half of the other
grids, the search may be tuned; the rest, `JUDGING` and the subjects that say so, only judges it. Targets: within 3% of
the best config (of a simulated device: with any batch size) in at most 10 restarts for 90% of seeds; at most 5% of the
studies that end by themselves leave a config untried that is more than 3% better.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from autotune.environment import capture
from autotune.errors import UsageError
from autotune.objective import parse_duration
from autotune.outcome import TrialOutcome
from autotune.search import StudyPlan, check_sampler
from autotune.server import Launcher, LaunchOptions, choose_launcher
from benchmarks.replay._ablation import RULES, Delivered, deliver, summary
from benchmarks.replay._devices import JUDGING, TUNING, DeviceGrid, device, devices, fitted
from benchmarks.replay._grid import Grid
from benchmarks.replay._judged import DEVICE_RESTARTS, Judged, Stops
from benchmarks.replay._pack import noise, pack
from benchmarks.replay._plot import plot
from benchmarks.replay._record import Recorder, measuring
from benchmarks.replay._repeats import repeats
from benchmarks.replay._replay import replays
from benchmarks.replay._simulated import GOOD, closeness
from benchmarks.replay._simulations import remembered
from benchmarks.replay._subjects import SPACES, SUBJECTS, Subject
from benchmarks.replay._table import FEW, PREDICTING, WITHIN, near_best, table, verdict
from benchmarks.replay._truth import likely
from benchmarks.replay._working import WorkingFile

HERE = Path(__file__).parent
GRIDS, PLOTS = HERE / "grids", HERE / "plots"
WORKING = HERE.parents[1] / "results" / "replay"
NOISE = 0.03
LARGEST_GRID_BYTES = 200_000


def main() -> None:
    """Runs the command."""
    arguments = parse_arguments()
    try:
        if arguments.command == "record":
            record(arguments)
        elif arguments.command == "repeat":
            repeat(arguments)
        elif arguments.command == "simulate":
            simulate(arguments)
        elif arguments.command == "ablate":
            ablate(arguments)
        elif arguments.command == "judge":
            judge(arguments)
        elif arguments.command == "stops":
            stops(arguments)
        else:
            score(arguments)
    except UsageError as error:
        raise SystemExit(str(error)) from None


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="measure every config of a space, or go on with it")
    recording.add_argument("grid", choices=[*SUBJECTS, *TUNING, *JUDGING])
    recording.add_argument("--limit", default="20m", help="time after which no further config is begun")
    recording.add_argument("--space", type=Path, help="what is searched, a YAML file; the subject's own")
    recording.add_argument("--probe", default="300ms", help="length of a probe")
    recording.add_argument("--every", type=int, default=25, help="configs between two measurements of the reference")
    recording.add_argument("--again", type=int, default=12, help="best configs that are measured two more times")
    recording.add_argument("--seed", type=int, default=0, help="shuffles the configs")
    recording.add_argument("--launch", default="embedded")
    recording.add_argument("--working", type=Path, help="the file that a recording grows in; results/replay/GRID.jsonl")
    recording.add_argument("--pack", action="store_true", help="write the grid from what was measured")
    recording.add_argument("--output", type=Path, help="where the grid goes; benchmarks/replay/grids/GRID.json")
    repeating = commands.add_parser("repeat", help="measure how much trials scatter, and write it into the grid")
    repeating.add_argument("grid", type=Path, help="a grid's name or file")
    repeating.add_argument("--repeats", type=int, default=20)
    repeating.add_argument("--launch", default="embedded")
    scoring = commands.add_parser("score", help="replay studies on recorded grids")
    scoring.add_argument("grids", nargs="*", type=Path, help="names or files; all that are recorded unless given")
    scoring.add_argument("--samplers", default="model,tpe,random,grid", help="gp too, where torch is installed")
    scoring.add_argument("--seeds", type=int, default=50)
    scoring.add_argument("--restarts", type=int, default=30)
    scoring.add_argument("--noise", type=float, help=f"of a measurement; as recorded, or {NOISE} where it was not")
    scoring.add_argument("--recorded", action="store_true", help="take the recorded rates for true, errors and all")
    scoring.add_argument("--arrivals", type=int, default=5, help="different seeds of the simulated arrivals")
    scoring.add_argument("--plots", type=Path, default=PLOTS, help="folder that the plots go to")
    judging = commands.add_parser("judge", help="replay studies on simulated devices and recorded grids")
    judging.add_argument("devices", nargs="*", help="names; all simulated devices that only judge unless given")
    stopping = commands.add_parser("stops", help="replay studies until they end by themselves")
    stopping.add_argument("grids", nargs="*", help="names of grids and devices; all unless given")
    stopping.add_argument("--restarts", type=int, default=40, help="trials at most")
    for command in (judging, stopping):
        command.add_argument("--seeds", type=int, default=50)
        command.add_argument("--arrivals", type=int, default=2, help="different seeds of the simulated arrivals")
        command.add_argument("--json", type=Path, help="file that the figures go to, as they grow")
    ablating = commands.add_parser("ablate", help="replay short studies with each rule of prediction switched off")
    ablating.add_argument("--seeds", type=int, default=10)
    ablating.add_argument("--rules", default="", help="names of rules, separated by semicolons; all unless given")
    ablating.add_argument("--arrivals", type=int, default=2, help="different seeds of the simulated arrivals")
    ablating.add_argument("--json", type=Path, help="file that the table goes to, as it grows")
    simulating = commands.add_parser("simulate", help="compare the simulation with recorded grids")
    simulating.add_argument("grids", nargs="*", type=Path, help="names or files; all that are recorded unless given")
    simulating.add_argument(
        "--varies-by", type=numbers, default=(), help="executions' standard deviations to simulate with, too"
    )
    return parser.parse_args()


def numbers(text: str) -> list[float]:
    """Of ``0.05,0.1``."""
    return [float(each) for each in text.split(",")]


def record(arguments: argparse.Namespace) -> None:
    """Measures what is missing, or packs."""
    subject = SUBJECTS.get(arguments.grid) or _device(arguments.grid).served
    path = arguments.working or WORKING / f"{subject.name}.jsonl"
    if arguments.pack:
        grid = pack(WorkingFile.read(path))
        output = arguments.output or GRIDS / f"{subject.name}.json"
        grid.write(output)
        size = output.stat().st_size
        print(
            f"{output.name}: {size:,} bytes, {grid.space.size} configs, best {grid.optimum_per_s:,.0f} inferences/s, "
            f"{sum(rate > 0 for rate in grid.rates_per_s)} keep the ceiling, noise {grid.noise}"
        )
        if size > LARGEST_GRID_BYTES:
            raise SystemExit(f"more than {LARGEST_GRID_BYTES:,} bytes, too large to be committed")
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    launcher, _ = choose_launcher(arguments.launch, LaunchOptions())
    working = WorkingFile.open(path, head(subject, arguments, launcher))
    recorder = Recorder(working, arguments.seed, arguments.every, arguments.again)
    limit_s = parse_duration(arguments.limit, "--limit")
    with measuring(working, launcher) as executor:
        print(recorder.run(executor, limit_s))


def repeat(arguments: argparse.Namespace) -> None:
    """Measures the best config again and again, and says in the grid how much that scatters."""
    path = file_of(arguments.grid)
    grid = Grid.read(path)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    launcher, _ = choose_launcher(arguments.launch, LaunchOptions())

    def tell(outcome: TrialOutcome) -> None:
        rate = outcome.measurement.rate_per_s if outcome.measurement else 0.0
        print(f"{rate:8,.0f} inferences/s in {outcome.seconds:.1f} s {outcome.message}", flush=True)

    found = repeats(grid, launcher, arguments.repeats, tell)
    replace(grid, repeats=found, noise=noise(found)).write(path)
    lost = arguments.repeats - len(found)
    print(f"{path.name}: noise {noise(found)}; {lost} of {arguments.repeats} found no rate and are left out")


def file_of(grid: Path) -> Path:
    """The file of a grid that a person names.

    Raises:
        SystemExit: There is none.
    """
    named = GRIDS / f"{grid}.json"
    path = named if named.is_file() else grid
    if not path.is_file():
        raise SystemExit(f"{grid}: no such grid in {GRIDS.name}/, and no such file; record it first")
    return path


def files_of(grids: Sequence[Path]) -> list[Path]:
    """The files of the grids that a person names, or of all that are recorded.

    Raises:
        SystemExit: There is none, or not one of them.
    """
    paths = [file_of(each) for each in grids] or sorted(GRIDS.glob("*.json"))
    if not paths:
        raise SystemExit(f"no grid in {GRIDS}; record one first")
    return paths


def head(subject: Subject, arguments: argparse.Namespace, launcher: Launcher) -> dict[str, Any]:
    """What is recorded, and how."""
    path = arguments.space or SPACES / f"{subject.space}.yaml"
    space_text = yaml.safe_dump(yaml.safe_load(path.read_text("utf-8")), default_flow_style=None, sort_keys=False)
    space = subject.space_of(space_text, "--space")
    environment = capture(launcher.describe(), "")
    version = environment.launch.get("triton", "")
    return {
        **subject.described(),
        "space": space_text,
        "space_digest": space.digest,
        "probe_s": parse_duration(arguments.probe, "--probe"),
        "seed": arguments.seed,
        "every": arguments.every,
        "again": arguments.again,
        "environment": (
            f"{environment.cpu_model}, {environment.available_cores:g} cores for server and client; "
            f"Triton {version}, {launcher.name}"
        ),
        "recorded_on": datetime.now(timezone.utc).date().isoformat(),
    }


def simulate(arguments: argparse.Namespace) -> None:
    """Prints a table: a row for each grid and each standard deviation of executions."""
    print(
        f"| grid | executions vary by | configs from {GOOD:.0%} of the best on | simulated by recorded, mean | spread "
        "| rank correlation | regret of the simulated best |\n|---|---|---|---|---|---|---|"
    )
    for path in files_of(arguments.grids):
        grid = likely(Grid.read(path)).grid
        if grid.space.only is None:
            continue  # `benchmarks.pipeline_forecast` compares pipelines
        for by in (None, *arguments.varies_by):
            found = closeness(grid, by)
            varies_by = "as the product has it" if by is None else f"{by:.0%}"
            print(
                f"| {grid.subject.name} | {varies_by} | {found.configs} "
                f"| {found.bias:+.1%} | {found.spread:.1%} | {found.rank_correlation:.2f} | {found.regret:.1%} |",
                flush=True,
            )


def ablate(arguments: argparse.Namespace) -> None:
    """Replays on the recorded grids and simulated devices that do not only judge; prints a table."""
    grids = {path.stem: likely(Grid.read(path)).grid for path in files_of([]) if not judges(path.stem)} | devices()
    rules = arguments.rules.split(";") if arguments.rules else list(RULES)
    found: dict[str, dict[str, Delivered]] = {}
    with remembered(arguments.arrivals):
        for rule in ("", *rules):
            found[rule] = deliver(grids, arguments.seeds, NOISE, rule)
            print(summary({rule: found[rule]}).splitlines()[-1], flush=True)
            if arguments.json:
                table = {
                    name or "nothing": {grid: vars(each) for grid, each in by_grid.items()}
                    for name, by_grid in found.items()
                }
                arguments.json.write_text(json.dumps({"restarts": FEW, "switched_off": table}, indent=1))


def judges(name: str) -> bool:
    """Whether a recorded grid is kept from tuning the search."""
    return SUBJECTS[name].judges if name in SUBJECTS else name.removesuffix("_served") in JUDGING


def judge(arguments: argparse.Namespace) -> None:
    """Prints a row for each device or recorded grid.

    If trials on a grid scatter by more than 3%, a simulated server with the execution times that it shows takes its
    place: nothing could choose among its configs. There the fields of a space, such as threads, change nothing.
    """
    found: dict[str, dict[str, float]] = {}
    print(
        "| device | delivered within 3% | regret, mean | 90% of seeds | restarts, median | ended by themselves "
        "| of these left a better one |\n|---|---|---|---|---|---|---|"
    )
    with remembered(arguments.arrivals):
        for name in arguments.devices or JUDGING:
            grid = _grid(name)
            label = name
            if grid.noise and grid.noise > NOISE and grid.space.only:
                label = f"{name}, simulated: trials scatter by {grid.noise:.1%}"
                grid = fitted(grid)
            error = grid.noise or NOISE
            studies = replays(grid, (PREDICTING,), arguments.seeds, DEVICE_RESTARTS, error, StudyPlan.final_rounds)[
                PREDICTING
            ]
            each, ended = Judged.of(studies, grid.optimum_per_s), Stops.of(studies, grid.optimum_per_s)
            print(
                f"| {label} | {each.within:.0%} of {each.seeds} | {each.regret:.1%} | {each.worst:.1%} "
                f"| {each.restarts:.0f} | {ended.ended} | {ended.left} |",
                flush=True,
            )
            found[name] = vars(each) | vars(ended)
            _write(arguments.json, found)


def stops(arguments: argparse.Namespace) -> None:
    """Prints a line for each grid and each device, and one for all."""
    recorded = [path.stem for path in files_of([])]
    found: dict[str, dict[str, int]] = {}
    total = Stops(0, 0)
    with remembered(arguments.arrivals):
        for name in arguments.grids or [*recorded, *TUNING, *JUDGING]:
            grid = _grid(name)
            studies = replays(grid, (PREDICTING,), arguments.seeds, arguments.restarts, grid.noise or NOISE)[PREDICTING]
            each = Stops.of(studies, grid.optimum_per_s)
            print(f"{name}: {each}", flush=True)
            total += each
            found[name] = vars(each)
            _write(arguments.json, found)
    print(f"all: {total}")


def _grid(name: str) -> Grid:
    """A recorded grid without most of its errors, or a simulated device."""
    path = GRIDS / f"{name}.json"
    return likely(Grid.read(path)).grid if path.is_file() else _device(name)


def _device(name: str) -> DeviceGrid:
    """A simulated device.

    Raises:
        SystemExit: There is none of that name.
    """
    if name not in TUNING | JUDGING:
        raise SystemExit(f"{name}: no such grid and no such device; name one of {', '.join(TUNING | JUDGING)}")
    return device(name)


def _write(path: Path | None, found: Any) -> None:
    if path:
        path.write_text(json.dumps(found, indent=1))


def score(arguments: argparse.Namespace) -> None:
    """Prints a table for each grid and writes its plot; of simulated devices a row for each."""
    named = [str(each) for each in arguments.grids]
    if named and all(each in TUNING | JUDGING for each in named):
        arguments.devices, arguments.json = named, None
        judge(arguments)
        return
    samplers = arguments.samplers.split(",")
    for sampler in samplers:
        check_sampler(sampler)
    paths = files_of(arguments.grids)
    with remembered(arguments.arrivals):
        for path in paths:
            recorded = Grid.read(path)
            truth = likely(recorded)
            grid = recorded if arguments.recorded else truth.grid
            error = arguments.noise if arguments.noise is not None else grid.noise or NOISE
            begun = time.monotonic()
            found = replays(grid, samplers, arguments.seeds, arguments.restarts, error)
            short = replays(grid, samplers, arguments.seeds, FEW, error, StudyPlan.final_rounds)
            print(
                f"\n{grid.subject.name}: {grid.space.size} configs, {near_best(grid)} within {WITHIN:.0%} of the best, "
                f"p99 at most {grid.subject.p99}, best "
                f"{grid.optimum_per_s:,.0f} inferences/s ({recorded.optimum_per_s:,.0f} recorded, with a "
                f"standard error of {truth.error:.1%}); recorded on {grid.recorded_on} ({grid.environment}); "
                f"noise {error:.1%}; {arguments.seeds} seeds replayed in {time.monotonic() - begun:.0f} s\n"
            )
            print(table(grid, found, short))
            print(f"\n- {verdict(grid, short)}" if verdict(grid, short) else "")
            arguments.plots.mkdir(parents=True, exist_ok=True)
            (arguments.plots / f"{grid.subject.name}.svg").write_text(plot(grid, found))


if __name__ == "__main__":
    main()
