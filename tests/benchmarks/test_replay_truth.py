"""The likely rates of a grid whose true ones are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.replay._grid import Grid
from benchmarks.replay._truth import Truth, likely

ERROR = 0.1
GRIDS = Path(__file__).parents[2] / "benchmarks" / "replay" / "grids"


@pytest.fixture(scope="module")
def recorded() -> tuple[Grid, np.ndarray]:
    """A grid with known true rates, and recorded ones that err by a tenth."""
    grid = Grid.read(GRIDS / "accelerator_slow.json")
    every = [candidate.as_dict() for candidate in grid.space.candidates()]
    batches = np.array([float(values["max_batch_size"]) for values in every])
    instances = np.array([float(values["instance_count"]) for values in every])
    true = 100.0 * np.minimum(batches, 24) ** 0.8 * instances**0.3 / (1 + (instances / 3) ** 4)
    rates = true * np.random.default_rng(5).lognormal(0.0, ERROR, len(true))
    rates[:3] = 0.0
    return replace(grid, rates_per_s=list(rates), repeats=[], measured={}), true


@pytest.fixture(scope="module")
def found(recorded: tuple[Grid, np.ndarray]) -> Truth:
    return likely(recorded[0])


def test_most_of_the_errors_are_gone_and_their_size_is_found(recorded: tuple[Grid, np.ndarray], found: Truth) -> None:
    _, true = recorded
    errors = np.log(np.array(found.grid.rates_per_s)[3:] / true[3:])
    assert np.sqrt((errors**2).mean()) < 0.4 * ERROR
    assert found.error == pytest.approx(ERROR, rel=0.15)


def test_the_best_is_no_longer_a_lucky_one(recorded: tuple[Grid, np.ndarray], found: Truth) -> None:
    grid, true = recorded
    assert grid.optimum_per_s > 1.15 * true.max()
    assert found.grid.optimum_per_s == pytest.approx(true.max(), rel=0.06)


def test_what_kept_no_ceiling_still_keeps_none(found: Truth) -> None:
    assert found.grid.rates_per_s[:3] == [0.0, 0.0, 0.0]


def test_the_best_config_is_taken_for_what_it_came_to_again_and_again(recorded: tuple[Grid, np.ndarray]) -> None:
    grid, true = recorded
    best = int(np.argmax(grid.rates_per_s))
    repeats = list(true[best] * np.random.default_rng(6).lognormal(0.0, ERROR, 20))
    rate = likely(replace(grid, repeats=repeats)).grid.rates_per_s[best]
    assert rate == pytest.approx(float(np.exp(np.log(repeats).mean())), rel=0.05)


def test_repeats_that_scatter_do_not_outvote_all_that_is_alike(recorded: tuple[Grid, np.ndarray], found: Truth) -> None:
    grid, _ = recorded
    best = int(np.argmax(grid.rates_per_s))
    without = found.grid.rates_per_s[best]
    twice = [1.1 * without, 1.3 * without]
    assert without < likely(replace(grid, repeats=twice)).grid.rates_per_s[best] < 1.15 * without


def test_a_rate_that_was_measured_often_is_trusted_more(recorded: tuple[Grid, np.ndarray], found: Truth) -> None:
    grid, _ = recorded
    lucky = int(np.argmax(grid.rates_per_s))
    often = likely(replace(grid, measured={lucky: 9})).grid.rates_per_s[lucky]
    assert found.grid.rates_per_s[lucky] < often < grid.rates_per_s[lucky]


def test_a_cliff_between_two_sizes_stays_a_cliff() -> None:
    grid = Grid.read(GRIDS / "cliff_37_served.json")
    sizes = np.array([float(str(each["max_batch_size"])) for each in grid.space.candidates()])
    true = 100.0 * sizes**0.6 * np.where(sizes > 37, 0.6, 1.0)
    rates = true * np.random.default_rng(7).lognormal(0.0, 0.02, len(true))
    found = likely(replace(grid, rates_per_s=rates.tolist(), repeats=[], measured={}, error=0.02)).grid.rates_per_s
    assert np.abs(np.log(found / true)).max() < 0.05
    assert sizes[int(np.argmax(found))] == 37
