"""Grids of an ensemble and of requests of different lengths: recorded from known models, and searched."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from shared_device import Device, Model

from autotune.outcome import TrialOutcome
from autotune.search import Trial, TrialWatch
from autotune.simulator import Batching
from benchmarks.replay.__main__ import GRIDS, LARGEST_GRID_BYTES, judges
from benchmarks.replay._devices import device
from benchmarks.replay._grid import Grid
from benchmarks.replay._pack import pack
from benchmarks.replay._record import Recorder
from benchmarks.replay._replay import replay
from benchmarks.replay._simulations import remembered
from benchmarks.replay._subjects import SPACES, SUBJECTS, Subject
from benchmarks.replay._working import WorkingFile

TWO_STEPS = SUBJECTS["two_steps"]


def head(subject: Subject) -> dict:
    text = (SPACES / f"{subject.space}.yaml").read_text()
    other = {"space": text, "probe_s": 0.3, "recorded_on": "2026-01-01", "environment": "computed"}
    return subject.described() | other


@pytest.fixture(scope="module")
def pipeline() -> Device:
    """The ensemble's steps, on devices of their own."""
    models = {
        "preprocess": Model(0.008, 0.0, 0.0, shares=False),
        "network": Model(0.0005, 0.002, 0.0003, after=(0,)),
    }
    space = TWO_STEPS.space_of(head(TWO_STEPS)["space"], "space")
    return Device(models, TWO_STEPS.base, space, TWO_STEPS.objective)


@pytest.fixture(scope="module")
def recorded(pipeline: Device, tmp_path_factory: pytest.TempPathFactory) -> Grid:
    """A grid of what the simulated pipeline sustains."""

    class Known:
        def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
            assert trial.candidate is not None
            rate_per_s = pipeline.rate_per_s(trial.candidate, 2000)
            found = pipeline.trial(trial.candidate, rate_per_s) if trial.question.profiled else None
            seen = found.measurement if found else None
            if seen is None:
                seen = replace(known.measurement, rate_per_s=rate_per_s, probes=())
            return replace(known, candidate=trial.candidate, measurement=seen, seconds=3.0)

    plain = pipeline.space.triton_default(pipeline.base)
    assert plain is not None
    known = pipeline.trial(plain, 1.0)
    working = WorkingFile.open(tmp_path_factory.mktemp("grid") / "two_steps.jsonl", head(TWO_STEPS))
    Recorder(working, seed=0, reference_every=50, again=2).run(Known(), math.inf)
    return pack(working)


def test_each_step_of_a_recorded_ensemble_has_configs_of_its_own(recorded: Grid, tmp_path: Path) -> None:
    assert recorded.space.size == 81
    best = max(recorded.space.candidates(), key=recorded.rate_of)
    assert int(str(best["preprocess/instance_count"])) >= 2
    assert best["network/max_batch_size"] == 16
    recorded.write(tmp_path / "two_steps.json")
    assert Grid.read(tmp_path / "two_steps.json") == recorded


def test_the_search_finds_the_best_configs_of_both_steps_in_ten_restarts(recorded: Grid) -> None:
    with remembered(1):
        found = replay(recorded, "model", seed=0, restarts=10, noise=0.01, final_rounds=3)
    assert found.delivered_per_s >= 0.97 * recorded.optimum_per_s


def test_requests_of_different_lengths_are_simulated_to_wait_unless_batches_may_be_ragged() -> None:
    subject = SUBJECTS["lengths"]
    space = subject.space_of(head(subject)["space"], "space")
    assert len({request["input"] for request in subject.requests.requests}) == 4
    ragged = "input[0].allow_ragged_batch"
    batchings = {
        candidate[ragged]: Batching.of(space.apply(candidate, subject.base).asked, subject.requests)
        for candidate in space.candidates()
        if (candidate["max_batch_size"], candidate["instance_count"]) == (64, 1)
    }
    assert batchings[True] != batchings[False]


@pytest.mark.parametrize("path", sorted(GRIDS.glob("*.json")), ids=lambda path: path.stem)
def test_recorded_grids_are_of_known_subjects_and_small_enough(path: Path) -> None:
    grid = Grid.read(path)
    name = grid.subject.name
    known = SUBJECTS.get(name) or device(name.removesuffix("_served")).served
    assert grid.subject.described() == known.described()
    assert path.stem == name
    assert path.stat().st_size <= LARGEST_GRID_BYTES
    assert grid.optimum_per_s > 0
    assert {start.key for start in grid.starts} <= {"", *grid.index}


def test_what_only_judges_is_kept_from_tuning() -> None:
    assert judges("two_steps")
    assert judges("knee_21_served")
    assert not judges("knee_28_served")
    assert not judges("accelerator")
