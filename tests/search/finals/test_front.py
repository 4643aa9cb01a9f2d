"""The Pareto front of several objectives."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from finalists import OWN, trial

from autotune.measurement import Measurement
from autotune.objective import Ceiling, Objective, Value
from autotune.search import SearchOptions
from autotune.search.finals import FINAL, Member, choose, finals_of, front_of
from autotune.search.finals._front import spread
from autotune.store import TrialRecord

VALUES = (Value("throughput"), Value("memory"))
BOTH = Objective("throughput", (Ceiling("p99", 0.02),), also=("memory",))


def with_memory(record: TrialRecord, size: int) -> TrialRecord:
    measured = record.outcome.measurement
    assert isinstance(measured, Measurement)
    return replace(record, outcome=replace(record.outcome, measurement=replace(measured, memory_bytes=size)))


def members(*values: tuple[float, float]) -> list[Member]:
    return [Member(trial(number, 1, max_batch_size=number), each) for number, each in enumerate(values, 1)]


@pytest.mark.parametrize("seed", range(20))
def test_the_front_holds_exactly_the_configs_that_no_other_one_equals_or_beats(seed: int) -> None:
    drawn = np.random.default_rng(seed).uniform(1, 100, (30, 2))
    every = members(*((float(one), float(two)) for one, two in drawn))
    found = {each.trial.number for each in front_of(every, VALUES, 0.0)}
    for one in every:
        better = [each for each in every if each.values[0] > one.values[0] and each.values[1] < one.values[1]]
        assert (one.trial.number in found) is not bool(better)


def test_of_configs_that_differ_by_noise_the_simplest_is_kept() -> None:
    front = front_of(members((1010, 500), (1000, 505), (2000, 900)), VALUES, 0.02)
    assert [each.trial.number for each in front] == [3, 1]


def test_a_front_that_is_too_long_keeps_its_ends() -> None:
    front = front_of(members(*((100.0 * n, 50.0 * n) for n in range(1, 11))), VALUES, 0.0)
    assert len(front) == 10
    kept = spread(front, VALUES, 4)
    assert {1, 10} < {each.trial.number for each in kept}
    assert len(kept) == 4


def test_a_member_by_a_lucky_window_is_not_on_the_front_of_the_final_comparison() -> None:
    """The search saw trial 1 best in both values; on fresh servers trial 2 is as fast with less memory."""
    lucky, other = with_memory(trial(1, 3000), 100), with_memory(trial(2, 2000), 300)
    own = with_memory(OWN, 250)
    chosen = choose([own, lucky, other], BOTH, SearchOptions())
    assert {each.number for each in chosen} == {own.number, lucky.number}
    chosen = choose([own, with_memory(lucky, 400), other], BOTH, SearchOptions())
    assert {each.number for each in chosen} == {own.number, lucky.number, other.number}
    trials = [own, with_memory(lucky, 400), other]
    runs = [
        replace(
            with_memory(trial(record.number or 0, per_s, label=record.label), size),
            id=100 + place,
            role=FINAL,
            trial_id=record.id,
            round=1 + place // 3,
        )
        for place, (record, per_s, size) in enumerate([(own, 1000, 250), (lucky, 1900, 400), (other, 2000, 300)] * 2)
    ]
    finals = finals_of(trials, runs, BOTH, 0.02)
    assert finals is not None
    assert [each.trial.number for each in finals.front] == [other.number, own.number]
    assert finals.front[0].values == (pytest.approx(2000), pytest.approx(300))
    assert finals.winner is not None
    assert finals.winner.trial.number == other.number
    assert math.isclose(finals.gain.value if finals.gain else 0.0, 2.0)
