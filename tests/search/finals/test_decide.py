"""Which finalist is delivered, with which gain: properties that hold whatever the values."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from finalists import OWN, comparing, finalist, trial
from pretended_studies import OBJECTIVE

from autotune.measurement import Serving, Step
from autotune.search import Finalist
from autotune.search.finals import decide, level
from autotune.store import TrialRecord


def drawn(seed: int, configs: int, rounds: int) -> list[list[float]]:
    """Values of configs that differ by up to eight times and deviate by 1% to 40%; shape (configs, rounds)."""
    random = np.random.default_rng(seed)
    levels = 500 * np.exp(random.uniform(0, 2, (configs, 1)))
    values = levels * np.exp(random.normal(0, random.uniform(0.01, 0.4), (configs, rounds)))
    return [list(map(float, row)) for row in values]


@pytest.mark.parametrize("rounds", [2, 3, 5])
def test_a_contender_is_delivered_only_with_a_gain_that_its_interval_supports(rounds: int) -> None:
    delivered = 0
    for seed in range(200):
        rows = drawn(seed, 3, rounds)
        one, two, own = (finalist(each, *row) for each, row in zip((trial(1, 1), trial(2, 1), OWN), rows, strict=True))
        comparison = comparing(one, two, own)
        winner = decide(comparison).winner
        assert winner is not None
        if winner is not own:
            delivered += 1
            gain = comparison.ratio(winner, own)
            assert gain.low > 1
            assert gain.value > 1.02
    assert 0 < delivered < 200


@pytest.mark.parametrize("violated", [1, 2, 4])
def test_a_config_that_violated_the_slo_in_a_round_is_not_delivered(violated: int) -> None:
    values = [0.0 if number == violated else 9000.0 for number in range(1, 5)]
    own = finalist(OWN, 1000, 1010, 990, 1000)
    assert decide(comparing(finalist(trial(1, 1), *values), own)).winner is own
    assert decide(comparing(finalist(trial(1, 1), *values))).winner is None


def test_a_clear_gain_is_decided_after_two_rounds_whatever_the_machine_drifts() -> None:
    decision = decide(comparing(finalist(trial(1, 1), 2000, 1000), finalist(OWN, 1000, 503)))
    assert decision.winner is not None
    assert decision.winner.trial.number == 1
    assert not decision.open


def test_a_gain_within_the_deviation_of_the_rounds_is_open_and_the_baseline_stays() -> None:
    own = finalist(OWN, 1000, 1000, 1000)
    decision = decide(comparing(finalist(trial(1, 1), 1500, 900, 1300), own))
    assert decision.winner is own
    assert [each.trial.number for each in decision.open] == [1]


def test_a_significant_gain_below_the_least_one_delivers_the_baseline_and_ends_it() -> None:
    own = finalist(OWN, 1000, 1001, 1000)
    decision = decide(comparing(finalist(trial(1, 1), 1010, 1011, 1010), own))
    assert decision.winner is own
    assert decision.open == ()


def test_of_contenders_that_come_to_the_same_the_simplest_is_delivered() -> None:
    two, one = trial(1, 1, instance_count=2), trial(2, 1)
    decision = decide(comparing(finalist(two, 2000, 2010), finalist(one, 1990, 2000), finalist(OWN, 1000, 1005)))
    assert decision.winner is not None
    assert decision.winner.trial is one
    assert [each.trial.number for each in decision.ties] == [1]
    assert decision.contested == ()  # 0.5% is not worth more rounds


def test_of_pipelines_that_come_to_the_same_the_one_with_the_fewest_instances_in_all_is_delivered() -> None:
    six = trial(1, 1, **{"a/instance_count": 2, "b/instance_count": 4})
    five = trial(2, 1, **{"a/instance_count": 4, "b/instance_count": 1})
    decision = decide(comparing(finalist(six, 2000, 2010), finalist(five, 1990, 2000), finalist(OWN, 1000, 1005)))
    assert decision.winner is not None
    assert decision.winner.trial is five


def having(record: TrialRecord, count: int) -> TrialRecord:
    """The trial with so many instances on its server."""
    measurement = record.outcome.measurement
    assert measurement is not None
    return replace(record, outcome=replace(record.outcome, measurement=replace(measurement, instances=count)))


@pytest.mark.parametrize(("within", "delivered"), [(0.0, 1), (0.05, 2), (0.4, 2), (0.6, 0)])
def test_within_a_part_of_the_best_the_fewest_instances_are_delivered(within: float, delivered: int) -> None:
    """Four instances sustain 2,000/s, two 1,940/s, the baseline's one 1,000/s."""
    four, two, own = having(trial(1, 1), 4), having(trial(2, 1), 2), having(OWN, 1)
    finalists = (finalist(four, 2000, 2004), finalist(two, 1940, 1944), finalist(own, 1000, 1001))
    decision = decide(replace(comparing(*finalists), objective=replace(OBJECTIVE, within=within)))
    assert decision.winner is not None
    assert decision.winner.trial.number == delivered


def test_instances_of_called_models_count_too() -> None:
    def calling(record: TrialRecord, called: int) -> TrialRecord:
        measurement = record.outcome.measurement
        assert measurement is not None
        measurement = replace(measurement, serving=Serving(called=(Step("called", called),)))
        return replace(record, outcome=replace(record.outcome, measurement=measurement))

    many, few = calling(having(trial(1, 1), 1), 8), calling(having(trial(2, 1), 2), 1)
    own = calling(having(OWN, 1), 1)
    finalists = (finalist(many, 2000, 2004), finalist(few, 1960, 1964), finalist(own, 1000, 1001))
    decision = decide(replace(comparing(*finalists), objective=replace(OBJECTIVE, within=0.05)))
    assert decision.winner is not None
    assert decision.winner.trial.number == 2


def test_of_contenders_that_differ_but_not_significantly_the_better_is_delivered_and_both_are_contested() -> None:
    two, one = trial(1, 1, instance_count=2), trial(2, 1)
    finalists = (finalist(two, 2100, 1900, 2050), finalist(one, 1900, 1850, 1700), finalist(OWN, 1000, 1010, 1000))
    decision = decide(comparing(*finalists))
    assert decision.winner is not None
    assert decision.winner.trial is two
    assert {each.trial.number for each in decision.contested} == {1, 2}


def test_more_contenders_need_a_clearer_gain() -> None:
    one, own = finalist(trial(1, 1), 1100, 1150, 1120), finalist(OWN, 1000, 1010, 1000)
    beside = [finalist(trial(number, 1), 1050, 1080, 1060) for number in (2, 3)]
    alone, among = comparing(one, own), comparing(one, own, finalist(trial(2, 1)), finalist(trial(3, 1)))
    assert among.ratio(one, own).low < alone.ratio(one, own).low
    assert comparing(one, own, *beside).ratio(one, own).rounds == 3


@pytest.mark.parametrize("contenders", [1, 2])
def test_of_twenty_comparisons_of_equal_configs_one_at_most_names_a_gain(contenders: int) -> None:
    """At each look; `benchmarks.false_gains` counts whole studies."""
    random = np.random.default_rng(1)
    false, studies = 0, 600
    for _ in range(studies):
        values = 1000 * np.exp(random.normal(0, 0.1, (contenders + 1, 3)))
        finalists = [finalist(trial(number, 1), *values[number]) for number in range(1, contenders + 1)]
        own = finalist(OWN, *values[0])
        winner = decide(comparing(*finalists, own, min_gain=0.0)).winner
        false += winner is not own
    assert false / studies <= 0.05


def test_the_level_is_the_geometric_mean_and_rounds_that_deviate_less_narrow_it() -> None:
    steady, loose = finalist(trial(1, 1), 2000, 2020, 1980), finalist(trial(2, 1), 3000, 2000, 1500)
    found = level(steady, [steady], 0.95)
    assert found.value == pytest.approx(math.exp(np.log([2000, 2020, 1980]).mean()))
    assert found.low < found.value < found.high
    pooled = level(steady, [steady, loose], 0.95)
    assert pooled.high - pooled.low > found.high - found.low


def test_a_single_round_has_no_interval() -> None:
    alone = Finalist(OWN, {1: 1000.0})
    found = level(alone, [alone], 0.95)
    assert (found.value, found.low, found.high) == (pytest.approx(1000.0), 0.0, math.inf)
