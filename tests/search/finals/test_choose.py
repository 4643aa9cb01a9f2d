"""Who takes part in the final comparison."""

from __future__ import annotations

from dataclasses import replace

import pytest
from finalists import OWN, trial
from pretended_studies import OBJECTIVE

from autotune.outcome import HostFactor
from autotune.search import BASELINE, SearchOptions
from autotune.search._score import best_of
from autotune.search.finals import choose
from autotune.store import TrialRecord


def numbers(trials: list[TrialRecord], contenders: int = 3, **more: object) -> list[int | None]:
    chosen = choose(trials, OBJECTIVE, SearchOptions(contenders=contenders), **more)  # type: ignore[arg-type]
    return [each.number for each in chosen]


def test_the_best_those_close_to_it_and_the_baseline_take_part() -> None:
    trials = [OWN, trial(1, 2000), trial(2, 1950), trial(3, 1500), trial(4, 0)]
    assert numbers(trials) == [1, 2, 0]
    assert numbers(trials, contenders=1) == [1, 0]


def test_what_is_close_to_the_estimate_of_a_lucky_best_takes_part_too() -> None:
    trials = [OWN, trial(1, 2000), trial(2, 1950), trial(3, 1500)]
    assert numbers(trials, incumbent=1650.0) == [1, 2, 3, 0]
    assert numbers(trials, incumbent=3000.0) == [1, 2, 0]


def test_a_config_that_a_simpler_one_is_predicted_to_equal_is_left_out() -> None:
    four, three, two = (trial(number, 2000 - 10 * number, instance_count=5 - number) for number in (1, 2, 3))
    trials = [OWN, four, three, two]
    assert numbers(trials, estimates={1: 2010.0, 2: 2100.0, 3: 2000.0}, min_gain=0.02) == [2, 3, 0]
    assert numbers(trials, estimates={1: 2010.0, 2: 2100.0, 3: 2000.0}, min_gain=0.1) == [1, 2, 3, 0]
    assert numbers(trials, estimates={2: 2000.0, 3: 2000.0}) == [1, 3, 0]  # nothing is known about the first


@pytest.mark.parametrize(("trials", "chosen"), [([trial(1, 2000)], [1]), ([], [])])
def test_an_infeasible_baseline_takes_no_part(trials: list[TrialRecord], chosen: list[int]) -> None:
    assert numbers([trial(0, 0, label=BASELINE), *trials]) == chosen


def test_configs_that_are_served_alike_count_once() -> None:
    served = [
        replace(each, outcome=replace(each.outcome, served_digest=digest))
        for each, digest in ((OWN, "a"), (trial(1, 2000), "b"), (trial(2, 2100), "b"), (trial(3, 2000), "a"))
    ]
    assert numbers(served) == [1, 0]  # neither the luckier of two nor one served like the baseline
    assert best_of(served, OBJECTIVE) is served[1]
    assert numbers(served[:1] + served[3:]) == [0]


def test_a_config_of_another_host_takes_part_if_it_may_be_close_by_the_error_of_the_hosts_factor() -> None:
    def on_other_host(deviation: float) -> TrialRecord:
        found = trial(2, 1400)  # 1750 on the baseline's host
        factor = HostFactor("b", 0.8, deviation)
        return replace(found, outcome=replace(found.outcome, host_factor=factor))

    assert numbers([OWN, trial(1, 2000), on_other_host(0.01)]) == [1, 0]
    assert numbers([OWN, trial(1, 2000), on_other_host(0.05)]) == [1, 2, 0]
