"""``benchmarks/replay judge`` and ``stops``: simulated devices, and what studies on them deliver or leave untried."""

from __future__ import annotations

import numpy as np

from autotune.space import Candidate
from benchmarks.replay._devices import JUDGING, TUNING, _grid, _service, fitted
from benchmarks.replay._judged import Judged, Stops
from benchmarks.replay._replay import Replay

SPACE = """
parameters:
  max_batch_size: {low: 8, high: 32, scale: log2, refine: 8}
  dynamic_batching: [true]
  instance_count: [2]
"""


def study(
    delivered: float, tried: float, stopped: str = "no untried config is likely to be better than the best"
) -> Replay:
    return Replay("model", 0, [delivered], [tried], [4.0], stopped, delivered)


def test_what_is_delivered_is_compared_with_the_best_rate() -> None:
    found = Judged.of([study(1000, 1000), study(975, 1000), study(900, 1000)], 1000.0)
    assert round(found.within, 3) == 0.667
    assert round(found.worst, 3) == 0.1


def test_only_studies_that_ended_by_themselves_can_have_stopped_too_early() -> None:
    studies = [study(900, 990), study(900, 900), study(900, 900, "10 trials done")]
    assert Stops.of(studies, 1000.0) == Stops(ended=2, left=1)


def test_no_device_judges_that_is_tuned_on() -> None:
    assert not TUNING.keys() & JUDGING.keys()


def test_a_size_that_the_space_does_not_list_is_simulated_as_it_is_tried() -> None:
    sizes = np.arange(1, 65)
    grid = _grid("knee", "20ms", _service(1.0, 2.0 + 0.05 * sizes + 0.35 * np.maximum(0, sizes - 21)), SPACE)

    def at(size: int) -> Candidate:
        return Candidate((("max_batch_size", size), ("dynamic_batching", True), ("instance_count", 2)))

    assert at(21).key not in grid.index
    assert grid.rate_of(at(21)) > grid.rate_of(at(16))
    assert grid.rate_of(at(21)) > grid.rate_of(at(24))


def test_a_grid_is_fitted_by_a_server_with_the_execution_times_that_it_shows() -> None:
    grid = _grid("knee", "20ms", _service(1.0, 2.0 + 0.1 * np.arange(1, 65)), SPACE)
    found = fitted(grid)
    assert found.subject.name == "knee_fitted"
    assert found.noise is None
    assert [each.key for each in found.starts] == [each.key for each in grid.starts]
    for fitting, true in zip(found.rates_per_s, grid.rates_per_s, strict=True):
        assert 0.9 < fitting / true < 1.1
