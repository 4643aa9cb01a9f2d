"""Whole studies on real servers whose outcome is known beforehand, and whether they say so.

`plain` tunes `iris`, where batching is thought not to pay: the plain config it comes with should win, or nothing
significantly better be found. As that is only thought, what is delivered is measured beside the plain config after the
study, on fresh servers in turns: a gain that is found there too is one. These rounds are as short as those of finals,
and should be many (`--rounds 20`), as rates of `iris` scatter widely from server to server. `optimal` tunes the model
of a recorded grid from the grid's best config, in the grid's space: no gain should be reported. `optimum` tunes it from
its own, in that space too, with 8 restarts: the config delivered should sustain within 3% of what the grid's best one
does, both measured after the study on fresh servers in turns. `device` tunes a model with the curve of a simulated
device that only judges the search (`benchmarks.replay._devices`), in the device's space with 10 restarts. As recording
the space would take hours, the simulation of the true curve names the 12 best configs of any batch size: each is
measured once, and the best three of them in turns with the delivered one. `budget` tunes `accelerator` within 1, 2, 3,
... minutes: it should be over, finals included, within 10% more.

    python -m benchmarks.studies plain|optimal|optimum|device|budget [--grid accelerator_slow] [--device knee_21]
        [--runs 5] [--seed 0] [--rounds 5] [--launch embedded]
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import autotune
from autotune.measurement import LOCATED_RATE, ROUGH_RATE, Deployment, MeasureOptions, Meter, Question
from autotune.measurement.statistics import Ratio, paired_ratio
from autotune.repository import ConfigSet, ModelConfig
from autotune.search import BASELINE, StudyResult
from autotune.server import LaunchOptions, choose_launcher
from benchmarks.replay._devices import JUDGING, DeviceGrid, device
from benchmarks.replay._grid import Grid
from benchmarks.replay._judged import DEVICE_RESTARTS
from benchmarks.replay._subjects import REPOSITORY, SUBJECTS, Subject
from benchmarks.replay._truth import likely

GRIDS = Path(__file__).parent / "replay" / "grids"
PLAIN, ACCELERATOR = Subject("iris", "iris", "5ms"), SUBJECTS["accelerator"]
RESTARTS = 8
RIVALS, FINALISTS = 12, 3
WITHIN = 0.03
OVER_BUDGET = 0.1


Outcome = tuple[StudyResult, str, bool]
"""A study, its outcome in words, and whether that is the expected one."""


def main() -> None:
    """One row for each study, then how many came out as they should."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("outcome", choices=list(OUTCOMES))
    recorded = sorted(path.stem for path in GRIDS.glob("*.json"))
    parser.add_argument("--grid", choices=recorded, default="accelerator_slow", help="of optimal and optimum")
    parser.add_argument("--device", choices=list(JUDGING), default="knee_21", help="of device")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0, help="of the first run")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each config after a study")
    parser.add_argument("--launch", default="embedded")
    arguments = parser.parse_args()
    print("| seed | trials | seconds | delivered | gain over the config it began with | as it should |")
    print("|---|---|---|---|---|---|")
    right = 0
    for seed in range(arguments.seed, arguments.seed + arguments.runs):
        with tempfile.TemporaryDirectory() as name:
            found, said, as_it_should = OUTCOMES[arguments.outcome](arguments, Path(name), seed)
        right += as_it_should
        delivered = found.best.outcome.candidate if found.best else None
        words = ", ".join(f"{name} {value}" for name, value in delivered.as_dict().items()) if delivered else "none"
        cells = (seed, len(found.trials), f"{found.seconds:.0f}", words, said, "yes" if as_it_should else "no")
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)
    print(f"\n{right} of {arguments.runs} as they should")


def plain(arguments: Namespace, directory: Path, seed: int) -> Outcome:
    """`iris` from its plain config: no gain, or one that is found again."""
    found = tuned(PLAIN, REPOSITORY, directory, arguments.launch, seed)
    if no_gain(found):
        return found, gain_in_words(found), True
    ratio = over(PLAIN, found, PLAIN.spec.config, directory, arguments.launch, arguments.rounds, ROUGH_RATE)
    return found, f"{gain_in_words(found)}; {in_words(ratio)} of the plain config afterwards", ratio.low > 1


def optimal(arguments: Namespace, directory: Path, seed: int) -> Outcome:
    """A recorded model from the best config of its grid: no gain."""
    grid = grid_named(arguments.grid)
    models, space = repository_with(grid.subject, optimum_of(grid), directory), space_of(grid, directory)
    found = tuned(grid.subject, models, directory, arguments.launch, seed, space)
    return found, gain_in_words(found), no_gain(found)


def optimum(arguments: Namespace, directory: Path, seed: int) -> Outcome:
    """A recorded model from its own config: as good as the best of its grid."""
    grid = grid_named(arguments.grid)
    models, space = repository_with(grid.subject, grid.subject.spec.config, directory), space_of(grid, directory)
    found = tuned(grid.subject, models, directory, arguments.launch, seed, space, trials=RESTARTS)
    ratio = over(grid.subject, found, optimum_of(grid), directory, arguments.launch, arguments.rounds)
    return found, f"{gain_in_words(found)}; {in_words(ratio)} of the optimum", ratio.value >= 1 - WITHIN


def device_optimum(arguments: Namespace, directory: Path, seed: int) -> Outcome:
    """A model with a device's curve: as good as the best of those that the true curve names."""
    grid = device(arguments.device)
    subject = grid.served
    models, space = repository_with(subject, subject.spec.config, directory), space_of(grid, directory)
    found = tuned(subject, models, directory, arguments.launch, seed, space, trials=DEVICE_RESTARTS)
    rivals = best_rivals(grid, subject, directory, arguments.launch)
    ratios = [over(subject, found, each, directory, arguments.launch, arguments.rounds) for each in rivals]
    ratio = min(ratios, key=lambda each: each.value)
    return found, f"{gain_in_words(found)}; {in_words(ratio)} of the best of {RIVALS}", ratio.value >= 1 - WITHIN


def budget(arguments: Namespace, directory: Path, seed: int) -> Outcome:
    """`accelerator` within as many minutes as the run's number: it is over in time."""
    budget_s = 60 * (seed + 1)
    found = tuned(ACCELERATOR, REPOSITORY, directory, arguments.launch, seed, time_budget=f"{budget_s}s")
    said = f"{gain_in_words(found)}; {found.seconds / budget_s:.2f} of {budget_s} s"
    return found, said, found.seconds <= (1 + OVER_BUDGET) * budget_s


OUTCOMES: dict[str, Callable[[Namespace, Path, int], Outcome]] = {
    "plain": plain,
    "optimal": optimal,
    "optimum": optimum,
    "device": device_optimum,
    "budget": budget,
}


def tuned(
    subject: Subject,
    repository: Path,
    directory: Path,
    launch: str,
    seed: int,
    search_space: Path | None = None,
    trials: int | None = None,
    time_budget: str | None = None,
) -> StudyResult:
    """A study with the defaults of `autotune run`."""
    return autotune.tune(
        repository,
        subject.model,
        p99=subject.p99,
        search_space=search_space,
        trials=trials,
        time_budget=time_budget,
        seed=seed,
        launch=launch,
        results=directory / "study",
    )


def gain_in_words(found: StudyResult) -> str:
    """What the study says about its gain."""
    if found.best is not None and found.best.label == BASELINE:
        return "none: the config it began with is delivered"
    if found.interval is None:
        gain = found.estimated_gain
        return f"{gain:.2f}, not compared side by side" if gain else "unknown"
    return f"{found.interval.value:.2f} ({found.interval.low:.2f} to {found.interval.high:.2f})"


def no_gain(found: StudyResult) -> bool:
    """Whether it delivers what it began with, or says that it may be no worse."""
    if found.best is None:
        return False
    return found.best.label == BASELINE or (found.interval is not None and found.interval.low <= 1)


def repository_with(subject: Subject, config: ModelConfig, directory: Path) -> Path:
    """A model repository of the subject's model with this config."""
    model = directory / "models" / subject.model
    shutil.copytree(REPOSITORY / subject.model, model)
    (model / "config.pbtxt").write_text(config.to_text())
    return model.parent


def space_of(grid: Grid, directory: Path) -> Path:
    """A file with the space that the grid holds: in a larger one its best config need not be the best."""
    path = directory / "space.yaml"
    path.write_text(grid.space_text)
    return path


def grid_named(name: str) -> Grid:
    """A recorded grid without most of its errors."""
    return likely(Grid.read(GRIDS / f"{name}.json")).grid


def optimum_of(grid: Grid) -> ModelConfig:
    """The best config of a grid."""
    best = max(grid.space.candidates(), key=grid.rate_of)
    return grid.configs_of(best).asked


def best_rivals(grid: DeviceGrid, subject: Subject, directory: Path, launch: str) -> list[ModelConfig]:
    """Of the configs that the true curve predicts to be best those that sustain most on real servers, measured once."""
    base = subject.base
    configs = [grid.space.apply(each, base).asked for each in grid.best(RIVALS)]
    rates = {each.to_text(): rate_of(subject, each, directory, launch, ROUGH_RATE) for each in configs}
    return sorted(configs, key=lambda each: -rates[each.to_text()])[:FINALISTS]


def over(
    subject: Subject,
    found: StudyResult,
    other: ModelConfig,
    directory: Path,
    launch: str,
    rounds: int,
    question: Question = LOCATED_RATE,
) -> Ratio:
    """The rate of the delivered config by that of another one, on fresh servers in turns.

    Only rounds in which both sustain a rate count.
    """
    delivered = found.best.outcome.config_text if found.best else ""
    configs = (ModelConfig.parse(delivered, "the delivered config"), other)
    rates: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        for index in (0, 1) if number % 2 else (1, 0):
            asked = replace(question, seed=1000 + number)
            rates[index].append(rate_of(subject, configs[index], directory, launch, asked))
    ours, theirs = zip(*(pair for pair in zip(*rates, strict=True) if min(pair) > 0), strict=True)
    return paired_ratio(ours, theirs)


def rate_of(subject: Subject, config: ModelConfig, directory: Path, launch: str, question: Question) -> float:
    """Inferences/s that a config sustains on a fresh server."""
    launcher, _ = choose_launcher(launch, LaunchOptions())
    deployment = Deployment(subject.spec, launcher, directory)
    with deployment.serve(ConfigSet.of(config), directory / "round.log") as served:
        meter = Meter(served.server, served.generator, subject.objective, MeasureOptions())
        return meter.measure(question).rate_per_s


def in_words(ratio: Ratio) -> str:
    """A ratio with its interval."""
    return f"{ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f})"


if __name__ == "__main__":
    main()
