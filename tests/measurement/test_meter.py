import itertools
from dataclasses import dataclass, replace

import numpy as np
import pytest
from simulated_server import SimulatedServer

from autotune.load import ClosedLoop, ConstantRate, PoissonRate, Schedule
from autotune.measurement import (
    CERTIFIED_RATE,
    LOCATED_RATE,
    ROUGH_RATE,
    DisturbanceKind,
    Measurement,
    MeasureOptions,
    Meter,
    Probe,
    Question,
    run_probe,
)
from autotune.measurement._options import drain_timeout_s
from autotune.measurement._prober import Prober
from autotune.objective import Ceiling, Objective
from autotune.server import ServerCrashed


def _measure(server: SimulatedServer, objective: Objective, **options: float) -> Measurement:
    return Meter(server, server, objective, MeasureOptions(**options)).measure()


def _p99_of(service_s: float, rate_per_s: float) -> float:
    """The p99 of a long simulated run: the truth that a measurement should find."""
    server = SimulatedServer(service_s)
    return server.run(PoissonRate(rate_per_s, seed=12345), 200.0, 1e9).percentile_s(0.99)


@pytest.mark.parametrize("service_s", [0.001, 0.01])
def test_the_rate_found_lies_below_the_first_failing_one_whatever_the_seed(service_s: float) -> None:
    objective = Objective("throughput", (Ceiling("p99", 5 * service_s),))
    for seed in range(15):
        measured = _measure(SimulatedServer(service_s), objective, seed=seed)
        assert measured.first_failing_per_s is not None
        assert 0 < measured.rate_per_s < measured.first_failing_per_s


def test_finds_the_highest_rate_that_keeps_the_ceiling() -> None:
    objective = Objective("throughput", (Ceiling("p99", 0.001),))
    measured = _measure(SimulatedServer(service_s=0.0002), objective)
    assert measured.feasible
    assert measured.first_failing_per_s is not None
    assert measured.located_per_s is not None
    assert measured.rate_per_s < measured.located_per_s
    # Windows of seconds scatter around the truth; at 12% above and below, the ceiling is broken and kept.
    assert _p99_of(0.0002, measured.located_per_s * 1.12) > 0.001
    assert _p99_of(0.0002, measured.located_per_s * 0.88) < 0.001
    assert _p99_of(0.0002, measured.rate_per_s) < 0.001


@pytest.mark.parametrize("service_s", [0.0001, 0.001, 0.02])
def test_scales_with_the_speed_of_the_server(service_s: float) -> None:
    objective = Objective("throughput", (Ceiling("p99", 5 * service_s),))
    measured = _measure(SimulatedServer(service_s), objective)
    # The rate that keeps a ceiling of five service times scales with the service time alone.
    assert measured.located_per_s is not None
    assert _p99_of(service_s, measured.located_per_s * 1.2) > 5 * service_s
    assert _p99_of(service_s, measured.located_per_s * 0.8) < 5 * service_s


def test_the_strictest_of_several_ceilings_decides() -> None:
    loose = _measure(SimulatedServer(), Objective("throughput", (Ceiling("p99", 0.01),)))
    both = _measure(SimulatedServer(), Objective("throughput", (Ceiling("p99", 0.01), Ceiling("avg", 0.0015))))
    assert both.feasible
    assert both.located_per_s is not None
    assert loose.located_per_s is not None
    assert both.located_per_s < loose.located_per_s * 0.8
    assert set(both.violations) == {"p99 <= 10ms", "avg <= 1.5ms", "rate"}


def test_a_ceiling_below_one_request_is_infeasible_after_the_screen() -> None:
    measured = _measure(SimulatedServer(service_s=0.01), Objective("throughput", (Ceiling("p99", 0.005),)))
    assert not measured.feasible
    assert measured.rate_per_s == 0
    assert measured.probes[-1].purpose == "screen"
    assert measured.violations["p99 <= 5ms"] == pytest.approx(1.0, rel=0.05)


def test_a_ceiling_that_no_open_load_keeps_is_infeasible_with_the_nearest_miss() -> None:
    # One request at a time just keeps it; any two that meet break it, at whatever rate.
    measured = _measure(SimulatedServer(service_s=0.01), Objective("throughput", (Ceiling("p99.9", 0.0101),)))
    assert not measured.feasible
    assert measured.decided_by is not None
    assert measured.decided_by.purpose == "locate"
    assert measured.violations["p99.9 <= 10.1ms"] > 0


def test_the_decision_is_a_certificate_with_a_stated_confidence() -> None:
    # Fast enough for a proof within a window.
    measured = _measure(SimulatedServer(service_s=0.0002), Objective("throughput", (Ceiling("p99", 0.005),)))
    assert measured.decided_by is not None
    assert measured.decided_by.purpose == "certify"
    assert measured.decided_by.holds
    assert measured.confidence >= 0.95
    assert measured.located_per_s is not None
    assert measured.rate_per_s <= 0.92 * measured.located_per_s * 1.001
    assert _p99_of(0.0002, measured.rate_per_s) <= 0.005


def test_a_model_too_slow_for_a_proof_says_how_sure_it_is() -> None:
    objective = Objective("throughput", (Ceiling("p99", 2.0),))
    measured = _measure(SimulatedServer(service_s=0.2), objective, confidence=0.9999)
    assert measured.feasible
    assert measured.confidence < 0.9999


def test_a_loser_of_the_race_is_not_measured_to_the_end() -> None:
    objective = Objective("throughput", (Ceiling("p99", 0.005),))
    measured = Meter(SimulatedServer(), SimulatedServer(), objective).measure(Question(beat_per_s=950))
    assert not measured.feasible
    assert measured.beaten_by_per_s == 950
    assert measured.violations["race"] > 0
    assert measured.probes[-1].purpose == "race"
    assert measured.probes[-1].stopped
    assert sum(probe.duration_s for probe in measured.probes) < 2.5


@pytest.mark.parametrize("beat_per_s", [500, 1500, 3500])
def test_a_winner_of_the_race_is_found_to_carry_what_it_does_however_much_that_is(beat_per_s: float) -> None:
    objective = Objective("throughput", (Ceiling("p99", 0.005),))
    server = SimulatedServer(0.0002)
    measured = Meter(server, server, objective).measure(replace(ROUGH_RATE, beat_per_s=beat_per_s))
    assert measured.feasible
    assert measured.beaten_by_per_s is None
    assert measured.rate_per_s == pytest.approx(_measure(server, objective).located_per_s, rel=0.05)


class LateClient(SimulatedServer):
    """A client that sends each request of every other open window late; latency counts from the scheduled time."""

    late_s = 0.0

    def run(self, schedule, duration_s, timeout_s, watch=None):
        result = super().run(schedule, duration_s, timeout_s, watch)
        if not isinstance(schedule, PoissonRate) or len(self.runs) % 2 == 0:
            return result
        late_s = np.full(result.requests, self.late_s)
        return replace(result, lateness_s=late_s, latency_s=result.latency_s + late_s)


def _measure_late(late_s: float, question: Question = CERTIFIED_RATE) -> Measurement:
    server = LateClient(0.0002)
    server.late_s = late_s
    return Meter(server, server, Objective("throughput", (Ceiling("p99", 0.005),))).measure(question)


def test_a_window_that_the_client_spoilt_is_run_again_and_the_result_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autotune.measurement._prober.time.sleep", lambda pause_s: None)
    measured = _measure_late(0.006)
    disturbed = [probe for probe in measured.probes if probe.verdict == "invalid"]
    assert disturbed
    for before, after in itertools.pairwise(measured.probes):
        if before.invalid and before.purpose == "locate":
            assert after.asked_per_s == before.asked_per_s
            assert after.schedule != before.schedule
    assert DisturbanceKind.CLIENT_LATE in {each.kind for probe in disturbed for each in probe.invalid}


def test_a_ceiling_that_is_kept_in_spite_of_a_late_client_is_kept() -> None:
    measured = _measure_late(0.0005, replace(LOCATED_RATE, seed=5))
    late_and_held = [probe for probe in measured.probes if probe.invalid and probe.holds]
    assert late_and_held
    assert {probe.verdict for probe in late_and_held} == {"holds"}
    for before, after in itertools.pairwise(measured.probes):
        if before in late_and_held:
            assert after.asked_per_s != before.asked_per_s


class TakenAway(SimulatedServer):
    """The cores are taken away now and then during some open windows: whoever wants one then waits for it."""

    real_time = True
    spell = range(1, 6)

    def run(self, schedule, duration_s, timeout_s, watch=None):
        result = super().run(schedule, duration_s, timeout_s, watch)
        if sum(isinstance(run, PoissonRate) for run in self.runs) - 1 not in self.spell:
            return replace(result, real_time=self.real_time)
        late_s = np.where(np.arange(result.requests) % 10, 0.0, 0.003)
        waited_s = result.latency_s + 4 * late_s
        return replace(result, real_time=self.real_time, lateness_s=late_s, latency_s=waited_s)


@pytest.mark.parametrize("real_time", [True, False])
def test_a_spell_in_which_even_a_client_of_real_time_priority_is_late_is_waited_out(
    real_time: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses_s: list[float] = []
    monkeypatch.setattr("autotune.measurement._prober.time.sleep", pauses_s.append)
    objective = Objective("throughput", (Ceiling("p99", 0.005),))
    calm = SimulatedServer(0.0002)
    truth_per_s = _measure(calm, objective).located_per_s
    server = TakenAway(0.0002)
    server.real_time = real_time
    found = Meter(server, server, objective).measure(replace(ROUGH_RATE, around_per_s=truth_per_s))
    spoilt = [probe for probe in found.probes if probe.lateness_p99_s > 0.001]
    assert len(spoilt) >= 4
    assert {probe.verdict for probe in spoilt} == {"invalid" if real_time else "fails"}
    assert pauses_s == ([0.1, 0.2, 0.4, 0.8] if real_time else [])
    assert found.rate_per_s == pytest.approx(truth_per_s, rel=0.1)


def test_a_late_client_is_not_to_blame_for_what_the_server_took_anyway() -> None:
    server = LateClient(0.0002)
    server.late_s = 0.0005
    overload = PoissonRate(6000, seed=1)
    server.runs.append(overload)  # an even count: the next window is late
    server.runs.append(overload)
    probe = run_probe(
        server, server, overload, purpose="load", duration_s=1.0, timeout_s=1.0, ceilings=(Ceiling("p99", 0.005),)
    )
    assert probe.lateness_p99_s == pytest.approx(0.0005)
    assert probe.verdict == "fails"


def test_without_a_certificate_the_located_rate_is_the_answer() -> None:
    server = SimulatedServer()
    measured = Meter(server, server, Objective("throughput", (Ceiling("p99", 0.01),))).measure(
        Question(certified=False)
    )
    assert measured.feasible
    assert not measured.certified
    assert measured.rate_per_s == measured.located_per_s
    assert "certify" not in {probe.purpose for probe in measured.probes}
    assert measured.decided_by is not None
    assert measured.decided_by.holds


def test_profiling_offers_twice_the_load_time_after_time_and_stands_in_for_saturation() -> None:
    server = SimulatedServer()
    objective = Objective("throughput", (Ceiling("p99", 0.01),))
    measured = Meter(server, server, objective).measure(Question(certified=False, profiled=True))
    profiled = [probe.schedule for probe in measured.probes if probe.purpose == "profile"]
    assert profiled == [ClosedLoop(2), ClosedLoop(4), ClosedLoop(8), ClosedLoop(16)]
    assert "saturate" not in {probe.purpose for probe in measured.probes}


class BusyClient(SimulatedServer):
    """A client that takes a whole core where 8 requests are outstanding."""

    def run(self, schedule, duration_s, timeout_s, watch=None):
        result = super().run(schedule, duration_s, timeout_s, watch)
        return replace(result, client_cpu_s=duration_s) if schedule == ClosedLoop(8) else result


def test_a_disturbed_window_of_a_profile_is_run_once_more_and_without_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autotune.measurement._prober.time.sleep", lambda pause_s: pytest.fail("paused"))
    server = BusyClient()
    objective = Objective("throughput", (Ceiling("p99", 0.01),))  # which 8 requests keep
    measured = Meter(server, server, objective).measure(Question(certified=False, profiled=True))
    profiled = [probe.schedule for probe in measured.probes if probe.purpose == "profile"]
    assert profiled == [ClosedLoop(each) for each in (2, 4, 8, 8, 16)]


def test_latency_is_measured_at_the_rate_that_must_be_carried() -> None:
    measured = _measure(SimulatedServer(), Objective("latency", (), rate_per_s=500))
    assert measured.feasible
    assert measured.rate_per_s == 500
    assert measured.decided_by is not None
    assert measured.decided_by.requests > 460
    assert measured.latency_s["p99"] == pytest.approx(_p99_of(0.001, 500), rel=0.2)


@pytest.mark.parametrize("rate_per_s", [1100, 2000, 10_000])
def test_a_rate_the_server_cannot_carry_is_infeasible(rate_per_s: float) -> None:
    measured = _measure(SimulatedServer(), Objective("latency", (), rate_per_s=rate_per_s))
    assert not measured.feasible
    assert measured.violations["rate"] > 0


def test_warms_up_until_latency_settles() -> None:
    server = SimulatedServer(cold_requests=25)
    measured = _measure(server, Objective("throughput", (Ceiling("p99", 0.005),)))
    warm_up = [probe for probe in measured.probes if probe.purpose == "warm-up"]
    assert len(warm_up) > 2
    assert measured.feasible


@dataclass
class _MeetsBatches(SimulatedServer):
    """Takes 50 ms longer for each of the first requests of a window that has more outstanding than any before."""

    most_outstanding: int = 1

    def model_config(self, model: str = "") -> dict[str, object]:
        return {"max_batch_size": 8, "instance_group": [{"count": 2}]}

    def _closed_loop(self, concurrency: int, duration_s: float) -> tuple[np.ndarray, np.ndarray]:
        arrivals, latency = super()._closed_loop(concurrency, duration_s)
        latency[: max(0, concurrency - self.most_outstanding)] += 0.05
        self.most_outstanding = max(self.most_outstanding, concurrency)
        return arrivals, latency


def test_batches_of_all_instances_are_met_before_anything_is_judged() -> None:
    server = _MeetsBatches()
    measured = _measure(server, Objective("throughput", (Ceiling("p99", 0.02),), load="closed"))
    assert server.most_outstanding >= 32
    judged = [probe for probe in measured.probes if probe.purpose != "warm-up" and (probe.concurrency or 0) <= 32]
    assert judged
    assert all(probe.latency_s["p99"] < 0.05 for probe in judged)


def test_bursts_are_no_larger_than_is_answered_in_time() -> None:
    # Alone it takes 20 ms, and batching brings nothing: 32 would not all be answered in the 600 ms that are waited.
    measured = _measure(_MeetsBatches(service_s=0.02), Objective("throughput", (Ceiling("p99", 0.025),)))
    bursts = [probe for probe in measured.probes if probe.purpose == "warm-up"]
    assert bursts[0].concurrency == 2
    assert max(probe.concurrency or 0 for probe in bursts) > 8
    assert all(not probe.failed for probe in bursts)
    assert bursts[-1].concurrency == max(probe.concurrency or 0 for probe in bursts)


def test_every_open_probe_draws_its_own_schedule() -> None:
    server = SimulatedServer()
    _measure(server, Objective("throughput", (Ceiling("p99", 0.005),)))
    seeds = [schedule.seed for schedule in server.runs if isinstance(schedule, PoissonRate)]
    assert len(seeds) == len(set(seeds)) > 3


def test_the_same_seed_gives_the_same_measurement() -> None:
    objective = Objective("throughput", (Ceiling("p99", 0.005),))
    first, second = (_measure(SimulatedServer(), objective, seed=3) for _ in range(2))
    assert first.rate_per_s == second.rate_per_s


def test_a_crash_keeps_what_was_measured_before_it() -> None:
    server = SimulatedServer(crash_at_probe=3)
    seen: list[Probe] = []
    meter = Meter(server, server, Objective("throughput", (Ceiling("p99", 0.005),)), on_probe=seen.append)
    with pytest.raises(ServerCrashed):
        meter.measure()
    assert meter.measurement.probes == tuple(seen)
    assert len(seen) == 3
    assert not meter.measurement.feasible


def test_a_request_of_several_inferences_counts_them_all() -> None:
    server = SimulatedServer()
    objective = Objective("latency", (), rate_per_s=1000)
    Meter(server, server, objective, batch_size=4).measure()
    rates = {schedule.rate_per_s for schedule in server.runs if isinstance(schedule, PoissonRate)}
    assert rates == {250}


def test_saturation_is_looked_for_with_enough_outstanding_requests() -> None:
    server = SimulatedServer()
    _measure(server, Objective("throughput", (Ceiling("p99", 0.005),)))
    assert max(schedule.concurrency for schedule in server.runs if isinstance(schedule, ClosedLoop)) >= 16


def test_percentiles_count_lost_requests_as_infinite() -> None:
    server = SimulatedServer(service_s=0.01)
    result = server.run(PoissonRate(1000, seed=1), 1.0, 0.5)
    assert result.failed > 0
    assert np.isinf(result.percentile_s(0.99))
    assert result.completed + result.failed == result.requests


def test_a_promised_mean_is_shown_by_its_bound() -> None:
    measured = _measure(SimulatedServer(service_s=0.0002), Objective("throughput", (Ceiling("avg", 0.0004),)))
    assert measured.feasible
    assert measured.decided_by is not None
    assert measured.decided_by.mean_bounds_s is not None
    low_s, high_s = measured.decided_by.mean_bounds_s
    assert low_s < measured.latency_s["avg"] < high_s <= 0.0004


def test_a_model_slower_than_the_first_windows_is_located() -> None:
    measured = _measure(SimulatedServer(service_s=0.6), Objective("throughput", (Ceiling("p99", 2.0),)))
    assert {probe.achieved_per_s for probe in measured.probes if probe.purpose == "saturate"} == {0.0}
    assert measured.feasible
    assert 0 < measured.rate_per_s < 1 / 0.6


@pytest.mark.parametrize("around_per_s", [0.0, 1e-9])
def test_a_guess_of_next_to_nothing_that_does_not_hold_is_infeasible(around_per_s: float) -> None:
    server = SimulatedServer(service_s=0.01)
    objective = Objective("throughput", (Ceiling("p99.9", 0.0101),))
    measured = Meter(server, server, objective).measure(Question(around_per_s=around_per_s))
    assert not measured.feasible
    assert measured.first_failing_per_s == pytest.approx(5, rel=0.05)


def test_the_nearest_miss_of_closed_loops_alone_is_one_of_them() -> None:
    server = SimulatedServer()
    prober = Prober(server, server, Objective("throughput", (Ceiling("p99", 0.0005),)), MeasureOptions())
    near, _ = (prober.closed_loop("screen", concurrency, 0.1) for concurrency in (1, 4))
    assert prober.nearest_miss() is near


@dataclass
class PausingServer(SimulatedServer):
    """Pauses once in each of its first open windows."""

    pause_s: float = 0.03
    pauses: int = 1

    def _open_loop(self, schedule: Schedule, duration_s: float) -> tuple[np.ndarray, np.ndarray]:
        arrivals, latency = super()._open_loop(schedule, duration_s)
        if self.pauses:
            into_s = arrivals - 0.3
            latency = latency + np.where((into_s >= 0) & (into_s < self.pause_s), self.pause_s - into_s, 0)
            self.pauses -= 1
        return arrivals, latency


def _races(server: SimulatedServer, rate_per_s: float, **options: float) -> list[Probe]:
    objective = Objective("throughput", (Ceiling("p99", 0.005),))
    meter = Meter(server, server, objective, MeasureOptions(**options))
    measured = meter.measure(Question(beat_per_s=rate_per_s, certified=False))
    return [probe for probe in measured.probes if probe.purpose == "race"]


@pytest.mark.parametrize("pauses", [1, 2])
def test_a_race_that_a_single_pause_ended_is_run_again(pauses: int) -> None:
    *lost, held = _races(PausingServer(0.0002, pauses=pauses), 2000)
    assert len(lost) == pauses
    for probe in lost:
        assert probe.stopped
        assert not probe.holds
        assert not probe.certain
    assert held.holds


@pytest.mark.parametrize("seed", range(3))
def test_a_race_that_was_lost_by_pauses_before_it_was_won_leaves_nothing_to_what_is_located(seed: int) -> None:
    server = PausingServer(0.0002, pause_s=0.4, pauses=2)
    meter = Meter(server, server, Objective("throughput", (Ceiling("p99", 0.01),)))
    measured = meter.measure(Question(beat_per_s=2000, certified=False, effort=0.14, seed=seed))
    assert [probe.holds for probe in measured.probes if probe.purpose == "race"] == [False, False, True]
    assert measured.rate_per_s == pytest.approx(4700, rel=0.08)  # the rate at which 1% wait longer


@pytest.mark.parametrize("effort", [0.14, 1.0])
def test_the_first_rate_that_a_pause_broke_is_offered_again(effort: float) -> None:
    objective = Objective("throughput", (Ceiling("p99", 0.01),))
    server = PausingServer(0.0002, pause_s=0.1)
    measured = Meter(server, server, objective).measure(Question(certified=False, effort=effort))
    first, again, *_ = (probe for probe in measured.probes if probe.purpose == "locate")
    assert not first.holds
    assert again.asked_per_s == first.asked_per_s
    assert again.holds
    undisturbed = _measure(SimulatedServer(0.0002), objective)
    assert measured.rate_per_s == pytest.approx(undisturbed.located_per_s, rel=0.05)


def test_a_race_that_was_lost_for_certain_is_not_run_again() -> None:
    (only,) = _races(SimulatedServer(0.0002), 6000, probe_s=60)
    assert only.certain
    assert only.duration_s < 1
    assert not only.holds


@dataclass
class Pipeline(SimulatedServer):
    """Answers any number of requests at once, each after the same time."""

    takes_s: float = 0.25

    def _open_loop(self, schedule: Schedule, duration_s: float) -> tuple[np.ndarray, np.ndarray]:
        arrivals = self._arrivals(schedule, duration_s)
        return arrivals, np.full(len(arrivals), self.takes_s)


@pytest.mark.parametrize(
    ("server", "rate_per_s", "kept_up"),
    [
        (Pipeline(takes_s=0.25), 1000, True),
        (SimulatedServer(0.001), 990, True),
        (SimulatedServer(0.001), 1050, False),
        (SimulatedServer(0.001), 2000, False),
        (SimulatedServer(0.001), 20_000, False),
    ],
)
def test_requests_in_flight_are_told_from_a_queue_that_grows(
    server: SimulatedServer, rate_per_s: float, kept_up: bool
) -> None:
    load = ConstantRate(rate_per_s)
    probe = run_probe(server, server, load, purpose="load", duration_s=1.0, timeout_s=60.0)
    assert probe.kept_up == kept_up


@dataclass
class Batching(SimulatedServer):
    """Answers all that wait, eight at most, together, each time after the same time."""

    def _open_loop(self, schedule: Schedule, duration_s: float) -> tuple[np.ndarray, np.ndarray]:
        arrivals = self._arrivals(schedule, duration_s)
        latency, begun, free_at = np.empty(len(arrivals)), 0, 0.0
        while begun < len(arrivals):
            starts_at = max(free_at, arrivals[begun])
            free_at = starts_at + self.service_s
            until = min(begun + 8, int(np.searchsorted(arrivals, starts_at, side="right")))
            latency[begun:until] = free_at - arrivals[begun:until]
            begun = until
        return arrivals, latency


def _windows_that_kept_up(rate_per_s: float, windows: int) -> int:
    server = Batching(0.01)
    loads = (PoissonRate(rate_per_s, seed) for seed in range(windows))
    probes = [run_probe(server, server, load, purpose="load", duration_s=0.75, timeout_s=60.0) for load in loads]
    return sum(probe.kept_up for probe in probes)


def test_a_window_that_ends_while_many_wait_for_their_batch_kept_up() -> None:
    # It carries 800/s. With some 400 requests in a window, the arrivals of the last 20 ms scatter by more than 2%.
    assert _windows_that_kept_up(560, windows=200) == 200


def test_a_queue_before_batches_that_grows_is_told_from_it() -> None:
    assert _windows_that_kept_up(1000, windows=50) == 0


@pytest.mark.parametrize(("limit_s", "drain_s"), [(0.005, 0.52), (1.0, 4.5), (5.0, 10.0), (15.0, 15.0)])
def test_outstanding_requests_are_awaited_for_as_long_as_the_limit(limit_s: float, drain_s: float) -> None:
    objective = Objective("throughput", (Ceiling("p90", 0.001), Ceiling("p99", limit_s)))
    assert drain_timeout_s(objective) == pytest.approx(drain_s)


def test_without_a_limit_outstanding_requests_are_awaited_for_ten_seconds() -> None:
    assert drain_timeout_s(Objective("latency", (), rate_per_s=1)) == 10


@dataclass
class _Hiccups(SimulatedServer):
    """In some windows one request takes 100 ms longer, so that those behind it wait."""

    in_windows: tuple[int, ...] = ()

    def _services_s(self, requests: int) -> np.ndarray:
        service = super()._services_s(requests)
        if len(self.runs) - 1 in self.in_windows:
            service[5] += 0.1
        return service


def test_one_late_request_in_each_of_two_screens_does_not_condemn_a_config() -> None:
    objective = Objective("throughput", (Ceiling("p99", 0.05),))
    calm = _measure(_Hiccups(0.01), objective)
    first = next(index for index, probe in enumerate(calm.probes) if probe.purpose == "screen")
    measured = _measure(_Hiccups(0.01, in_windows=(first, first + 1)), objective)
    assert [probe.holds for probe in measured.probes if probe.purpose == "screen"] == [False, False, True]
    assert measured.feasible


def test_a_config_that_is_too_slow_for_certain_is_screened_twice() -> None:
    measured = _measure(SimulatedServer(0.01), Objective("throughput", (Ceiling("p99", 0.005),)))
    assert [probe.certain for probe in measured.probes if probe.purpose == "screen"] == [True, True]
    assert not measured.feasible


class UnevenServer(SimulatedServer):
    """Every fourth request takes a hundred times as long as the others: the median says little of what it sustains."""

    def _services_s(self, requests: int) -> np.ndarray:
        return np.where(np.arange(requests) % 4 == 0, 100 * self.service_s, self.service_s)


def test_a_model_whose_requests_differ_much_is_not_given_up_above_what_it_sustains() -> None:
    server = UnevenServer(0.0002)
    objective = Objective("throughput", (Ceiling("p99", 0.2),))
    found = Meter(server, server, objective, MeasureOptions(), clock=lambda: 0.0).measure(LOCATED_RATE)
    capacity_per_s = 1 / (0.25 * 0.02 + 0.75 * 0.0002)
    assert found.feasible
    assert 0.4 * capacity_per_s < found.rate_per_s < capacity_per_s
