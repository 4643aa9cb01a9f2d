"""The highest load at which every ceiling is met, of servers whose truth is known; open and closed loops alike."""

import math
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
import pytest
from simulated_server import SimulatedServer

from autotune.load import ClosedLoop, PoissonRate
from autotune.measurement import (
    CERTIFIED_RATE,
    LOCATED_RATE,
    ROUGH_RATE,
    ROUND,
    Infeasible,
    Measurement,
    MeasureOptions,
    Meter,
    Probe,
    Question,
)
from autotune.measurement._judge import StopRule
from autotune.measurement._prober import Prober
from autotune.measurement.load_search import ConcurrencyAxis, RateAxis, certify
from autotune.objective import Ceiling, LoadName, Objective

SPEEDS = (1, 4, 16)
LOADS: tuple[LoadName, ...] = ("open", "closed")


@dataclass
class BatchingServer(SimulatedServer):
    """Executes what waits, up to ``max_batch`` together, in ``fixed_s`` and ``item_s`` for each."""

    fixed_s: float = 0.002
    item_s: float = 0.0001
    max_batch: int = 32
    # Of a concurrency: by how much its windows are faster, one after the other; the last one stays.
    luck: dict[int, list[float]] = field(default_factory=dict)

    def model_config(self, model: str = "") -> dict[str, object]:
        return {"max_batch_size": self.max_batch, "instance_group": [{"count": 1}]}

    def _faster(self, concurrency: int) -> float:
        lucky = self.luck.get(concurrency, [1.0])
        return lucky.pop(0) if len(lucky) > 1 else lucky[0]

    def _closed_loop(self, concurrency: int, duration_s: float) -> tuple[np.ndarray, np.ndarray]:
        arrivals, latency = [0.0] * concurrency, []
        now_s, served, faster = 0.0, 0, self._faster(concurrency)
        while served < len(arrivals):
            batch = [each for each in arrivals[served : served + self.max_batch] if each <= now_s]
            now_s += (self.fixed_s + self.item_s * len(batch)) / faster
            latency += [now_s - each for each in batch]
            served += len(batch)
            if now_s < duration_s:
                arrivals += [now_s] * len(batch)
        return np.array(arrivals), np.array(latency)


def server_for(load: LoadName, speed: float) -> SimulatedServer:
    if load == "open":
        return SimulatedServer(0.001 / speed)
    return BatchingServer(fixed_s=0.002 / speed, item_s=0.0001 / speed)


def objective_for(load: LoadName, speed: float) -> Objective:
    return Objective("throughput", (Ceiling("p99", (0.01 if load == "open" else 0.008) / speed),), load=load)


def ask(load: LoadName, speed: float, question: Question, seed: int = 0) -> Measurement:
    server = server_for(load, speed)
    options = MeasureOptions(seed=seed)
    return Meter(server, server, objective_for(load, speed), options, clock=lambda: 0.0).measure(question)


@cache
def truth_per_s(load: LoadName, speed: float) -> float:
    """By long windows: the highest rate that meets the ceiling, or what the best concurrency within it completes."""
    (ceiling,) = objective_for(load, speed).ceilings
    if load == "open":
        low, high = 0.0, 1000.0 * speed
        for _ in range(10):
            rate = (low + high) / 2
            result = server_for(load, speed).run(PoissonRate(rate, seed=99), 40_000 / (1000 * speed), 1e9)
            low, high = (rate, high) if ceiling.met_by(result.percentile_s(0.99)) else (low, rate)
        return low
    loops = [server_for(load, speed).run(ClosedLoop(each), 1.0 / speed, 1.0) for each in range(1, 150)]
    return max(each.achieved_per_s for each in loops if ceiling.met_by(each.percentile_s(0.99)))


def both(test):
    """For every kind of load and every speed."""
    return pytest.mark.parametrize("load", LOADS)(pytest.mark.parametrize("speed", SPEEDS)(test))


@both
def test_the_estimate_is_near_the_truth(load: LoadName, speed: float) -> None:
    measured = ask(load, speed, LOCATED_RATE)
    assert measured.feasible
    assert measured.infeasible is None
    assert measured.rate_per_s == pytest.approx(truth_per_s(load, speed), rel=0.1)
    assert all(each.met_by(measured.latency_s[each.statistic]) for each in measured.ceilings)


@both
def test_a_certificate_is_of_fresh_windows_below_every_level_that_failed(load: LoadName, speed: float) -> None:
    for seed in range(2):
        measured = ask(load, speed, CERTIFIED_RATE, seed)
        decided = measured.decided_by
        assert decided is not None
        assert decided.purpose == "certify"
        assert measured.confidence >= 0.95
        assert 0.6 * truth_per_s(load, speed) < measured.rate_per_s < 1.02 * truth_per_s(load, speed)
        failed = [probe for probe in measured.probes if probe.purpose == "certify" and not probe.holds]
        assert all(level_of(probe) > level_of(decided) for probe in failed)


def level_of(probe: Probe) -> float:
    return probe.concurrency or probe.asked_per_s


@both
def test_a_config_that_does_not_reach_the_incumbent_is_pruned_soon(load: LoadName, speed: float) -> None:
    beat_per_s = 1.3 * truth_per_s(load, speed)
    pruned = ask(load, speed, replace(ROUGH_RATE, beat_per_s=beat_per_s))
    assert not pruned.feasible
    assert pruned.infeasible is Infeasible.PRUNED
    assert pruned.beaten_by_per_s == beat_per_s
    assert pruned.violations["race"] > 0
    full = ask(load, speed, ROUGH_RATE)
    assert len(judged(pruned)) < len(judged(full))


@both
def test_a_config_that_sustains_more_than_the_incumbent_is_not_pruned(load: LoadName, speed: float) -> None:
    for part in (0.3, 0.8):
        measured = ask(load, speed, replace(ROUGH_RATE, beat_per_s=part * truth_per_s(load, speed)))
        assert measured.beaten_by_per_s is None
        assert measured.rate_per_s == pytest.approx(truth_per_s(load, speed), rel=0.15)


def judged(measured: Measurement) -> list[Probe]:
    return [probe for probe in measured.probes if probe.purpose in ("race", "locate")]


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("off", [0.7, 1.0, 1.3])
def test_a_round_takes_a_few_windows_and_is_near_the_truth_though_the_guess_is_off(speed: float, off: float) -> None:
    truth = truth_per_s("open", speed)
    found = [ask("open", speed, replace(ROUND, around_per_s=off * truth, seed=seed)) for seed in range(6)]
    assert {each.probes[-1].purpose for each in found} == {"locate"}
    assert "screen" not in {probe.purpose for each in found for probe in each.probes}
    assert np.mean([np.log(each.rate_per_s / truth) for each in found]) == pytest.approx(0, abs=0.05)
    assert np.mean([sum(probe.duration_s for probe in judged(each)) for each in found]) < 6


def test_a_round_of_a_closed_loop_is_one_window_and_lower_ones_where_it_violates_a_ceiling() -> None:
    known = ask("closed", 1, LOCATED_RATE)
    assert known.decided_by is not None
    concurrency = known.decided_by.concurrency
    (only,) = judged(ask("closed", 1, replace(ROUND, concurrency=concurrency)))
    assert only.achieved_per_s == pytest.approx(known.rate_per_s, rel=0.02)
    assert concurrency is not None
    lower = ask("closed", 1, replace(ROUND, concurrency=round(1.4 * concurrency)))
    assert lower.feasible
    assert lower.decided_by is not None
    assert (lower.decided_by.concurrency or 0) <= concurrency


def test_a_round_whose_guess_no_load_near_meets_is_infeasible() -> None:
    server = SimulatedServer(0.02)
    found = Meter(server, server, objective_for("open", 1)).measure(replace(ROUND, around_per_s=100))
    assert found.infeasible is Infeasible.NO_LOAD
    closed = replace(ROUND, concurrency=64)
    server = BatchingServer(fixed_s=0.02)
    assert Meter(server, server, objective_for("closed", 1)).measure(closed).infeasible is Infeasible.NO_LOAD


@both
def test_a_ceiling_that_a_single_request_violates_is_infeasible_at_once(load: LoadName, speed: float) -> None:
    server = server_for(load, speed)
    objective = Objective("throughput", (Ceiling("p99", 0.0005 / speed),), load=load)
    measured = Meter(server, server, objective).measure(LOCATED_RATE)
    assert measured.infeasible is Infeasible.ALONE
    assert measured.probes[-1].purpose == "screen"


def closed(luck: dict[int, list[float]], question: Question = LOCATED_RATE, limit_s: float = 0.008) -> Measurement:
    server = BatchingServer(luck=luck)
    objective = Objective("throughput", (Ceiling("p99", limit_s),), load="closed")
    return Meter(server, server, objective, clock=lambda: 0.0).measure(question)


def found_concurrency(measured: Measurement) -> int:
    assert measured.decided_by is not None
    assert measured.decided_by.concurrency is not None
    return measured.decided_by.concurrency


def test_neighbouring_concurrencies_are_offered_before_one_wins() -> None:
    measured = closed({})
    level = found_concurrency(measured)
    after = [probe.concurrency for probe in measured.probes[-2:]]
    assert after == [round(0.8 * level), round(1.25 * level)]


@pytest.mark.parametrize("part", [0.8, 1.25])
def test_a_config_that_is_good_at_one_concurrency_only_does_not_win_with_it(part: float) -> None:
    level = found_concurrency(closed({}))
    fragile = closed({round(part * level): [0.3]})
    assert not fragile.feasible or found_concurrency(fragile) < level


def test_a_config_without_a_robust_concurrency_is_infeasible() -> None:
    level = found_concurrency(closed({}))
    none = closed({each: [0.3] for each in range(2, 150) if each != level}, replace(LOCATED_RATE, concurrency=level))
    assert not none.feasible
    assert none.infeasible is Infeasible.NOT_ROBUST
    assert max(none.violations.values()) > 0


def test_a_larger_concurrency_may_violate_the_ceiling_by_its_latency() -> None:
    measured = closed({}, limit_s=0.0053)
    above = measured.probes[-1]
    assert measured.feasible
    assert (above.concurrency or 0) > found_concurrency(measured)
    assert not above.holds


def test_one_slow_window_of_a_neighbour_is_not_held_against_a_config() -> None:
    level = found_concurrency(closed({}))
    once = closed({round(1.25 * level): [0.3, 1.0], round(0.8 * level): [0.3, 1.0]})
    assert once.feasible


def test_a_lucky_window_is_not_the_answer() -> None:
    calm = closed({})
    lucky = closed({found_concurrency(calm): [1.4, 1.0]})
    assert max(probe.achieved_per_s for probe in lucky.probes) > 1.3 * calm.rate_per_s
    assert lucky.rate_per_s == pytest.approx(calm.rate_per_s, rel=0.1)


def test_where_more_outstanding_requests_complete_no_more_the_search_ends() -> None:
    objective = Objective("throughput", (Ceiling("p99", 1.0),), load="closed")
    server = SimulatedServer(0.001)  # one after the other: a single outstanding request keeps it busy
    measured = Meter(server, server, objective, clock=lambda: 0.0).measure(LOCATED_RATE)
    assert measured.rate_per_s == pytest.approx(1000, rel=0.02)
    assert found_concurrency(measured) == 1
    assert len(judged(measured)) <= 4


def test_no_more_requests_are_outstanding_than_allowed() -> None:
    server = BatchingServer()
    options = MeasureOptions(max_concurrency=20)
    objective = Objective("throughput", (Ceiling("p99", 1.0),), load="closed")
    Meter(server, server, objective, options, clock=lambda: 0.0).measure(replace(LOCATED_RATE, profiled=True))
    assert max(schedule.concurrency for schedule in server.runs if isinstance(schedule, ClosedLoop)) == 20


def test_a_profile_shows_where_to_begin() -> None:
    first = [judged(closed({}, replace(LOCATED_RATE, profiled=profiled), 0.004))[0].holds for profiled in (True, False)]
    assert first == [True, False]


class RecordingProber(Prober):
    """Keeps the rules that windows may end by."""

    def _valid(self, purpose, schedule, duration_s, rule, repeat=True):
        self.rules = [*getattr(self, "rules", []), rule]
        return super()._valid(purpose, schedule, duration_s, rule, repeat)


def axis_for(load: LoadName, **options: float) -> RateAxis | ConcurrencyAxis:
    server = server_for(load, 4)
    prober = RecordingProber(server, server, objective_for(load, 4), MeasureOptions(**options))
    if load == "open":
        return RateAxis(prober, Question(around_per_s=truth_per_s(load, 4)))
    return ConcurrencyAxis(prober, Question(around_per_s=truth_per_s(load, 4)))


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("times", [0.6, 1.0, 1.3])
def test_all_attempts_at_a_certificate_together_are_as_sure_as_was_asked_for(load: LoadName, times: float) -> None:
    axis = axis_for(load)
    start = truth_per_s(load, 4) if load == "open" else found_concurrency(ask("closed", 4, LOCATED_RATE))
    certificate = certify(axis, times * start)
    rules: list[StopRule] = axis.prober.rules  # type: ignore[attr-defined]
    spent = [rule.holds_alpha for rule in rules if rule.holds_alpha is not None and not rule.earlier]
    assert sum(spent) <= 0.05
    assert certificate.kept
    levels = [level_of(probe) for probe in axis.prober.probes if probe.purpose == "certify"]
    assert levels == sorted(levels, reverse=True)


@pytest.mark.parametrize("load", LOADS)
def test_a_certificate_keeps_to_the_time_it_is_given(load: LoadName) -> None:
    axis = axis_for(load, certify_s=60.0, confidence=0.999999)
    start = 0.95 * truth_per_s(load, 4) if load == "open" else 8
    certify(axis, start, within_s=3.0)
    attempts = [probe for probe in axis.prober.probes if probe.purpose == "certify"]
    assert sum(probe.duration_s for probe in attempts) <= 3.0 * 1.01


@pytest.mark.parametrize("load", LOADS)
def test_a_certificate_that_only_lacked_time_goes_on_at_the_same_level(load: LoadName) -> None:
    axis = axis_for(load, least_certify_s=0.3, certify_windows=0.3, confidence=1 - 1e-9)
    level = 0.15 * truth_per_s(load, 4) if load == "open" else 2.0
    certificate = certify(axis, level)
    attempts = [probe for probe in axis.prober.probes if probe.purpose == "certify"]
    assert len(attempts) > 1
    assert {level_of(probe) for probe in attempts} == {level}
    assert certificate.confidence >= 1 - 1e-9


@pytest.mark.parametrize(("load", "times"), [("open", 1.7), ("open", 20.0), ("closed", 0.0)])
def test_a_level_far_too_high_is_lowered_until_one_is_met(load: LoadName, times: float) -> None:
    axis = axis_for(load)
    start = times * truth_per_s(load, 4) if load == "open" else 60
    certificate = certify(axis, start)
    assert certificate.kept
    assert certificate.probe.holds


def test_without_the_time_to_reach_a_level_that_holds_none_is_kept() -> None:
    axis = axis_for("open")
    certificate = certify(axis, 40 * truth_per_s("open", 4), within_s=1.5)
    assert not certificate.kept
    assert (certificate.confidence, certificate.missing_s) == (0, math.inf)


def test_without_the_time_for_a_proof_it_says_how_much_is_missing_and_claims_no_confidence() -> None:
    axis = axis_for("open", certify_s=2.0, confidence=0.999999)
    certificate = certify(axis, 0.5 * truth_per_s("open", 4))
    assert certificate.kept
    assert certificate.confidence == 0
    assert 0.5 < certificate.missing_s < 60


def test_a_mean_is_proved_by_the_first_window_whose_bound_meets_it() -> None:
    server = server_for("open", 4)
    objective = Objective("throughput", (Ceiling("avg", 0.001),))
    measured = Meter(server, server, objective, MeasureOptions(), clock=lambda: 0.0).measure(CERTIFIED_RATE)
    windows = [probe for probe in measured.probes if probe.purpose == "certify"]
    assert measured.confidence == 0.95
    assert measured.certificate_missing_s == 0
    assert sum(probe.holds for probe in windows) == 1
