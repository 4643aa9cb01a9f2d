"""The most that a closed loop completes under a ceiling, of a server whose truth is known."""

from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from simulated_server import SimulatedServer

from autotune.load import ClosedLoop
from autotune.measurement import (
    CERTIFIED_RATE,
    LOCATED_RATE,
    ROUGH_RATE,
    Measurement,
    MeasureOptions,
    Meter,
    Probe,
    Question,
)
from autotune.measurement._climb import _best, _to_confirm
from autotune.objective import Ceiling, Objective


@dataclass
class BatchingServer(SimulatedServer):
    """Executes what waits, up to ``max_batch`` together, in ``fixed_s`` and ``item_s`` for each."""

    fixed_s: float = 0.002
    item_s: float = 0.0001
    max_batch: int = 32
    slow_in_window: int | None = None
    # Of each concurrency, by how much its windows are faster, one after the other.
    luck: dict[int, list[float]] = field(default_factory=dict)

    def model_config(self) -> dict[str, object]:
        return {"max_batch_size": self.max_batch, "instance_group": [{"count": 1}]}

    def _closed_loop(self, concurrency: int, duration_s: float) -> tuple[np.ndarray, np.ndarray]:
        arrivals = [0.0] * concurrency
        latency: list[float] = []
        now_s, served = 0.0, 0
        lucky = self.luck.get(concurrency, [])
        faster = lucky.pop(0) if lucky else 1.0
        while served < len(arrivals):
            batch = [each for each in arrivals[served : served + self.max_batch] if each <= now_s]
            now_s += (self.fixed_s + self.item_s * len(batch)) / faster
            if len(self.runs) - 1 == self.slow_in_window and 0.1 < now_s < 0.2:
                now_s += 0.02
            latency += [now_s - each for each in batch]
            served += len(batch)
            if now_s < duration_s:
                arrivals += [now_s] * len(batch)
        return np.array(arrivals), np.array(latency)


def _measure(limit_s: float, question: Question = LOCATED_RATE, **server: Any) -> tuple[Measurement, BatchingServer]:
    objective = Objective("throughput", (Ceiling("p99", limit_s),), load="closed")
    simulated = BatchingServer(**server)
    return Meter(simulated, simulated, objective, MeasureOptions(), clock=lambda: 0.0).measure(question), simulated


@cache
def _truth_per_s(limit_s: float, max_batch: int = 32) -> float:
    """By the server's own rule: of all loops whose requests stay under the limit, the one that completes the most."""
    server = BatchingServer(max_batch=max_batch)
    best = 0.0
    for concurrency in range(1, 150):
        result = server.run(ClosedLoop(concurrency), 2.0, 1.0)
        if result.percentile_s(0.99) <= limit_s:
            best = max(best, result.achieved_per_s)
    return best


@pytest.mark.parametrize("limit_s", [0.0025, 0.004, 0.008, 0.05])
@pytest.mark.parametrize("max_batch", [4, 32])
def test_finds_the_most_that_keeps_the_ceiling(limit_s: float, max_batch: int) -> None:
    measured, server = _measure(limit_s, max_batch=max_batch)
    assert measured.feasible
    assert measured.latency_s["p99"] <= limit_s
    assert measured.rate_per_s >= 0.95 * _truth_per_s(limit_s, max_batch)
    assert all(isinstance(schedule, ClosedLoop) for schedule in server.runs)


def test_where_more_outstanding_requests_complete_no_more_the_climb_ends() -> None:
    objective = Objective("throughput", (Ceiling("p99", 1.0),), load="closed")
    server = SimulatedServer(0.001)  # one after the other: a single outstanding request keeps it busy
    measured = Meter(server, server, objective, MeasureOptions(), clock=lambda: 0.0).measure(LOCATED_RATE)
    assert measured.rate_per_s == pytest.approx(1000, rel=0.02)
    # One that completes no more than a single request at a time does, and the better of both again.
    assert sum(probe.purpose == "locate" for probe in measured.probes) == 2


def test_a_config_that_cannot_beat_the_rate_is_given_up_at_its_first_failing_window() -> None:
    measured, _ = _measure(0.004, replace(ROUGH_RATE, beat_per_s=1.1 * _truth_per_s(0.004), concurrency=64))
    assert not measured.feasible
    assert measured.beaten_by_per_s == 1.1 * _truth_per_s(0.004)
    assert measured.violations["race"] > 0
    beaten_late, _ = _measure(0.05, replace(ROUGH_RATE, beat_per_s=2 * _truth_per_s(0.05)))
    assert beaten_late.beaten_by_per_s is not None


def test_a_config_that_carries_more_than_the_rate_to_beat_is_not_beaten() -> None:
    measured, _ = _measure(0.004, replace(ROUGH_RATE, beat_per_s=0.9 * _truth_per_s(0.004), concurrency=64))
    assert measured.feasible
    assert measured.rate_per_s >= 0.95 * _truth_per_s(0.004)


def test_a_window_that_fails_after_one_that_carried_enough_does_not_end_the_race() -> None:
    question = replace(ROUGH_RATE, beat_per_s=0.9 * _truth_per_s(0.004), concurrency=8)
    measured, _ = _measure(0.004, question, luck={22: [0.5, 0.5]})
    assert any(
        not probe.holds and probe.achieved_per_s < 0.7 * _truth_per_s(0.004)
        for probe in measured.probes
        if probe.schedule == ClosedLoop(22)
    )
    assert measured.feasible
    assert measured.rate_per_s >= 0.9 * _truth_per_s(0.004)


def test_a_lucky_window_is_not_what_is_told() -> None:
    calm, _ = _measure(0.008)
    assert calm.decided_by is not None
    best = calm.decided_by.schedule
    assert isinstance(best, ClosedLoop)
    lucky, _ = _measure(0.008, luck={best.concurrency: [1.4]})
    assert max(probe.achieved_per_s for probe in lucky.probes) > 1.3 * calm.rate_per_s
    assert lucky.rate_per_s == pytest.approx(calm.rate_per_s, rel=0.05)
    raced, _ = _measure(
        0.008, replace(LOCATED_RATE, beat_per_s=1.2 * calm.rate_per_s), luck={best.concurrency: [1.4], 32: [1.4]}
    )
    assert raced.beaten_by_per_s is not None


def test_what_kept_the_ceiling_by_luck_is_looked_for_a_little_lower() -> None:
    measured, _ = _measure(0.004, replace(LOCATED_RATE, concurrency=24), luck={24: [1.4]})
    held = [probe.schedule for probe in measured.probes if probe.purpose == "locate" and probe.holds]
    assert held[0] == ClosedLoop(24)
    assert measured.latency_s["p99"] <= 0.004
    assert measured.decided_by is not None
    assert measured.decided_by.schedule == ClosedLoop(19)


def test_a_spell_of_pauses_does_not_throw_far_back() -> None:
    slow = {20: [1.0, 0.5, 0.5], 18: [0.5], 16: [0.5]}
    measured, _ = _measure(0.00405, replace(LOCATED_RATE, concurrency=20), luck=slow)
    assert measured.decided_by is not None
    assert measured.decided_by.schedule == ClosedLoop(13)


@pytest.mark.parametrize(("slow", "beaten"), [([1.0, 0.5], False), ([1.0, 0.5, 0.5], True)])
def test_what_breaks_the_ceiling_twice_with_clearly_less_is_beaten(slow: list[float], beaten: bool) -> None:
    question = replace(LOCATED_RATE, concurrency=20, beat_per_s=0.75 * _truth_per_s(0.00405))
    measured, _ = _measure(0.00405, question, luck={20: slow})
    assert (measured.beaten_by_per_s is not None) == beaten
    located = [probe for probe in measured.probes if probe.purpose == "locate"]
    assert located[-1].schedule == ClosedLoop(20)  # nothing is asked of fewer


def _held(concurrency: int, achieved_per_s: float = 1000.0) -> Probe:
    measured, _ = _measure(0.008)
    return replace(measured.probes[0], schedule=ClosedLoop(concurrency), achieved_per_s=achieved_per_s)


@pytest.mark.parametrize(
    ("held", "batch", "offered"),
    [
        ((93, 80, 1), 64, [93, 93, 80, 74, 64, 46, 32, 18]),
        ((108, 100, 1), 128, [108, 108, 100, 86, 70, 54, 37, 21]),
        # Two full batches of 48, where 92 would fall apart, and one.
        ((103, 1), 48, [103, 103, 96, 82, 66, 48, 36, 20]),
        ((1,), 8, [1, 1]),
    ],
)
def test_fewer_are_offered_again_that_were_seen_to_hold_or_fill_batches(
    held: tuple[int, ...], batch: int, offered: list[int]
) -> None:
    probes = [_held(concurrency) for concurrency in held]
    assert list(_to_confirm(probes[0], probes, lambda wanted: round(wanted / batch) * batch)) == offered


def test_of_loops_that_complete_about_as_many_the_one_with_the_fewest_outstanding_is_taken() -> None:
    about_as_many = [_held(1, 75), _held(96, 6851), _held(103, 6899)]
    assert _best(about_as_many).concurrency == 96
    clearly_more = [_held(1, 75), _held(80, 6600), _held(103, 6899)]
    assert _best(clearly_more).concurrency == 103


def test_a_hiccup_that_spoils_a_window_does_not_end_the_climb() -> None:
    undisturbed, _ = _measure(0.008)
    first = [probe.purpose for probe in undisturbed.probes].index("locate")
    measured, disturbed = _measure(0.008, replace(LOCATED_RATE, beat_per_s=5000), slow_in_window=first)
    assert disturbed.runs[first] == disturbed.runs[first + 1]
    assert measured.rate_per_s == pytest.approx(undisturbed.rate_per_s, rel=0.05)


@pytest.mark.parametrize(("expected_per_s", "first"), [(2000, 22), (3000, 32), (4800, 64), (3500, 39)])
def test_the_climb_begins_where_batches_are_full_if_that_is_near(expected_per_s: float, first: int) -> None:
    measured, _ = _measure(0.016, replace(LOCATED_RATE, around_per_s=expected_per_s))
    assert next(probe.schedule for probe in measured.probes if probe.purpose == "locate") == ClosedLoop(first)


def test_a_certificate_is_of_a_window_of_its_own() -> None:
    measured, _ = _measure(0.008, CERTIFIED_RATE)
    assert measured.certified
    assert measured.confidence >= 0.95
    assert measured.decided_by is not None
    assert measured.decided_by.purpose == "certify"
    assert measured.rate_per_s == pytest.approx(measured.located_per_s, rel=0.05)
    again, _ = _measure(0.008, Question(concurrency=32, located=False))
    assert [probe.purpose for probe in again.probes if probe.purpose != "warm-up"] == ["screen", "certify"]
    assert again.decided_by is not None
    assert again.decided_by.schedule == ClosedLoop(32)


def test_a_concurrency_that_breaks_the_ceiling_is_certified_lower() -> None:
    measured, _ = _measure(0.004, Question(concurrency=24, located=False))
    assert measured.feasible
    assert measured.decided_by is not None
    assert measured.decided_by.schedule == ClosedLoop(19)
    assert measured.confidence >= 0.95
    lower, _ = _measure(0.004, Question(concurrency=29, located=False))
    assert lower.feasible
    assert lower.decided_by is not None
    assert lower.decided_by.schedule == ClosedLoop(18)
    none, _ = _measure(0.004, Question(concurrency=60, located=False))
    assert not none.feasible


class NowAndThenLate(BatchingServer):
    """Of so many requests it answers one late."""

    one_in: int = 105

    def _closed_loop(self, concurrency: int, duration_s: float) -> tuple[np.ndarray, np.ndarray]:
        arrivals, latency = super()._closed_loop(concurrency, duration_s)
        latency[self.one_in - 1 :: self.one_in] = 0.1
        return arrivals, latency


def test_what_kept_its_ceilings_without_proof_is_not_given_up_for_far_less() -> None:
    objective = Objective("throughput", (Ceiling("p99", 0.008),), load="closed")
    server = NowAndThenLate()
    meter = Meter(server, server, objective, MeasureOptions(), clock=lambda: 0.0)
    measured = meter.measure(Question(concurrency=20, located=False))
    assert [probe.concurrency for probe in measured.probes if probe.purpose == "certify"] == [20, 16]
    assert measured.feasible
    assert measured.confidence < 0.95
    assert measured.decided_by is not None
    assert measured.decided_by.schedule == ClosedLoop(20)


def test_the_climb_begins_at_what_a_profile_shows() -> None:
    profiled, _ = _measure(0.004, replace(LOCATED_RATE, profiled=True))
    unknown, _ = _measure(0.004, LOCATED_RATE)
    first, without = (next(probe for probe in each.probes if probe.purpose == "locate") for each in (profiled, unknown))
    assert first.holds
    assert not without.holds


def test_a_certificate_whose_windows_are_too_short_for_a_proof_ends_early() -> None:
    objective = Objective("throughput", (Ceiling("p99", 0.008),), load="closed")
    server = NowAndThenLate()
    server.one_in = 102
    meter = Meter(server, server, objective, MeasureOptions(), clock=lambda: 0.0)
    measured = meter.measure(Question(concurrency=20, located=False))
    attempts = [probe for probe in measured.probes if probe.purpose == "certify"]
    assert [probe.duration_s for probe in attempts] == pytest.approx([3.0, 5.0], abs=0.1)  # of 10 s
    assert measured.feasible
    assert measured.decided_by is not None
    assert measured.decided_by.schedule == ClosedLoop(20)
