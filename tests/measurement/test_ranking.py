"""A model too slow for a percentile is ranked by its throughput at a mean latency that leaves room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

import pytest
from slow_models import LARGEST, Clock, SlowServer, slow_model

from autotune.measurement import Measurement, MeasureOptions, Meter, Question
from autotune.measurement.load_search._ranking import sustained_part
from autotune.objective import Ceiling, LoadName, Objective
from autotune.simulator import Batching


def ranked(
    instances: int, *, load: LoadName = "open", limit: float = 6.0, beat_per_s: float | None = None
) -> Measurement:
    """A model of a second a request without batching, in a share of 15 s."""
    clock = Clock()
    server = SlowServer(Batching(LARGEST, dynamic=False, instances=instances), slow_model(1.0), clock)
    objective = Objective("throughput", (Ceiling("p99", limit),), load=load)
    question = Question(certified=False, share_s=15.0, beat_per_s=beat_per_s)
    return Meter(server, server, objective, MeasureOptions(), clock=clock).measure(question)


@pytest.mark.parametrize("load", ["open", "closed"])
def test_instances_are_ranked_by_what_they_complete(load: LoadName) -> None:
    one, two, four = (ranked(count, load=load) for count in (1, 2, 4))
    assert all(each.feasible for each in (one, two, four))
    assert 1.8 < two.rate_per_s / one.rate_per_s < 3.0
    assert 1.6 < four.rate_per_s / two.rate_per_s < 2.5
    assert one.rate_per_s <= 1.0


def test_random_arrivals_sustain_less_than_a_closed_loop_completes() -> None:
    assert ranked(1).rate_per_s < 0.8 * ranked(1, load="closed").rate_per_s


def test_a_config_that_completes_clearly_less_than_the_incumbent_is_pruned() -> None:
    pruned = ranked(1, beat_per_s=3.0)
    assert pruned.beaten_by_per_s == 3.0
    assert not pruned.feasible


def test_a_share_that_holds_the_windows_of_a_percentile_is_used_for_them() -> None:
    clock = Clock()
    server = SlowServer(Batching(LARGEST, dynamic=False), slow_model(0.001), clock)
    objective = Objective("throughput", (Ceiling("p99", 0.01),))
    found = Meter(server, server, objective, MeasureOptions(), clock=clock).measure(
        Question(certified=False, share_s=15.0, effort=0.14)
    )
    assert found.decided_by is not None
    assert found.decided_by.concurrency is None


def test_a_start_that_took_the_whole_share_leaves_no_window_of_sizes() -> None:
    """A window of less than no time ended the whole study as if its user had asked for it."""
    clock = Clock()
    server = SlowServer(Batching(LARGEST, dynamic=False), slow_model(1.0), clock)

    def sized(sizes: Sequence[int]) -> NoReturn:
        raise AssertionError("a client of sizes was made")

    meter = Meter(
        server, server, Objective("throughput", (Ceiling("p99", 6.0),)), MeasureOptions(), sized=sized, clock=clock
    )
    found = meter.measure(Question(certified=False, profiled=True, share_s=15.0, spent_s=20.0))
    assert found.feasible


def test_more_servers_and_longer_limits_sustain_more_of_the_throughput() -> None:
    parts = [sustained_part(instances, 1.0, slack, 0.01) for instances, slack in ((1, 1.0), (1, 5.0), (4, 5.0))]
    assert parts == sorted(parts)
    assert 0 < sustained_part(1, 1.0, 0.0, 0.01) < parts[0] < parts[-1] < 1
