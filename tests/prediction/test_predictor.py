"""A predictor that learns from trials of a pretended accelerator whose every config is simulated."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from predicted_trials import BASE, OBJECTIVE, SPACE, candidate, instances, outcome
from service_windows import alone_s, device_s, saturated, screen

from autotune.load import PoissonRate
from autotune.measurement import Disturbance, DisturbanceKind, Probe
from autotune.objective import Ceiling, Objective
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.prediction import Predictor
from autotune.prediction._service_times import differ
from autotune.repository import ModelConfig
from autotune.simulator import ServiceTimes
from autotune.space import Candidate, SearchSpace

_STOLEN = Disturbance(DisturbanceKind.STEAL, 0.1, 0.02)


@pytest.fixture
def predictor(space: SearchSpace) -> Predictor:
    """One that saw one instance and four, and what they carry."""
    learnt = Predictor.of_model(space, BASE, OBJECTIVE)
    learnt.learn([outcome(None, 1, 4000.0), outcome(None, 4, 5000.0)])
    return learnt


def expected(predictor: Predictor, wanted: Candidate) -> float:
    forecast = predictor.forecast(wanted)
    assert forecast is not None
    return forecast.expected


def simulated(predictor: Predictor, wanted: Candidate) -> float:
    forecast = predictor.forecast(wanted)
    assert forecast is not None
    return forecast.simulated


def keeps(predictor: Predictor, wanted: Candidate) -> bool:
    forecast = predictor.forecast(wanted)
    assert forecast is not None
    return forecast.keeps


def test_nothing_is_said_before_a_trial(space: SearchSpace) -> None:
    untaught = Predictor.of_model(space, BASE, OBJECTIVE)
    untaught.learn([])
    assert not untaught.ready
    assert untaught.forecast(candidate(space, 8, 1)) is None


def test_a_batch_of_one_carries_what_one_execution_after_the_other_does(
    predictor: Predictor, space: SearchSpace
) -> None:
    forecast = predictor.forecast(candidate(space, 1, 1, dynamic=False))
    assert forecast is not None
    assert 0.5 / alone_s(1) < forecast.simulated < 1 / alone_s(1)
    assert forecast.mean_batch == pytest.approx(1.0)


def test_batching_carries_more_and_instances_no_more_than_what_they_share_lets_through(
    predictor: Predictor, space: SearchSpace
) -> None:
    plain = expected(predictor, candidate(space, 1, 1, dynamic=False))
    side_by_side = expected(predictor, candidate(space, 1, 4, dynamic=False))
    assert plain < side_by_side < 1 / device_s(1)
    assert expected(predictor, candidate(space, 64, 1)) > 5 * side_by_side


def test_a_disturbed_window_counts_only_where_it_was_not_run_again(predictor: Predictor, space: SearchSpace) -> None:
    calm = outcome(None, 1, 4000.0)
    assert calm.measurement is not None
    last = calm.measurement.probes[-1]
    slow = {size: 3 * nanoseconds for size, nanoseconds in last.server.batch_compute_ns.items()}
    disturbed = replace(
        last,
        server=replace(last.server, batch_compute_ns=slow),
        invalid=(_STOLEN,),
    )

    def carried(*probes: Probe) -> float:
        assert calm.measurement is not None
        learnt = Predictor.of_model(space, BASE, OBJECTIVE)
        before = calm.measurement.probes[:-1]
        learnt.learn([replace(calm, measurement=replace(calm.measurement, probes=(*before, *probes)))])
        return simulated(learnt, candidate(space, 64, 1))

    assert carried(disturbed, last) == carried(last)
    rates = [PoissonRate(last.achieved_per_s, seed) for seed in (1, 2)]
    before, again = (replace(each, schedule=rate) for each, rate in zip((disturbed, last), rates, strict=True))
    assert carried(before, again) == carried(again)
    assert carried(disturbed) < 0.7 * carried(last)


def test_a_measured_rate_below_the_simulated_one_lowers_what_is_expected_of_all(
    predictor: Predictor, space: SearchSpace
) -> None:
    tried, other = candidate(space, 64, 4), candidate(space, 32, 4)
    before = predictor.forecast(tried)
    assert before is not None
    untouched = expected(predictor, other)
    predictor.learn([outcome(None, 1, 4000.0), outcome(tried, 4, 0.7 * before.simulated)])
    after = predictor.forecast(tried)
    assert after is not None
    assert after.simulated == pytest.approx(before.simulated, rel=0.02)
    assert after.expected == pytest.approx(0.7 * before.simulated, rel=0.1)
    assert expected(predictor, other) < 0.85 * untouched


def test_a_config_that_was_beaten_is_expected_below_what_beat_it(predictor: Predictor, space: SearchSpace) -> None:
    tried = candidate(space, 64, 4)
    bound = 0.6 * expected(predictor, tried)
    predictor.learn([outcome(None, 1, 4000.0), outcome(tried, 4, None, beaten_by_per_s=bound)])
    assert expected(predictor, tried) < 1.1 * bound


def test_being_beaten_by_more_than_was_expected_anyway_changes_nothing(
    predictor: Predictor, space: SearchSpace
) -> None:
    tried = candidate(space, 1, 1, dynamic=False)
    before = expected(predictor, tried)
    predictor.learn([outcome(None, 4, 4000.0), outcome(tried, 1, None, beaten_by_per_s=3 * before)])
    assert expected(predictor, tried) == pytest.approx(before, rel=0.02)


def test_a_failure_speaks_against_configs_alike(predictor: Predictor, space: SearchSpace) -> None:
    tried, alike = candidate(space, 64, 4), candidate(space, 64, 4, delay=1000)
    failed = replace(outcome(tried, 4, None), kind=OutcomeKind.CRASHED, measurement=None)
    before = expected(predictor, alike)
    predictor.learn([outcome(None, 1, 4000.0), outcome(None, 4, 4000.0), failed])
    assert expected(predictor, alike) < 0.6 * before


def test_a_failure_says_nothing_of_configs_that_are_not_alike(predictor: Predictor, space: SearchSpace) -> None:
    tried, other = candidate(space, 64, 4), candidate(space, 1, 1, dynamic=False)
    failed = replace(outcome(tried, 4, None), kind=OutcomeKind.CRASHED, measurement=None)
    before = expected(predictor, other)
    predictor.learn([outcome(None, 1, 4000.0), outcome(None, 4, 5000.0), failed])
    assert expected(predictor, other) == pytest.approx(before, rel=0.02)


def test_a_load_generator_that_failed_says_nothing_of_the_config(predictor: Predictor, space: SearchSpace) -> None:
    tried = candidate(space, 64, 4)
    before = expected(predictor, tried)
    failed = replace(outcome(tried, 4, None), kind=OutcomeKind.CLIENT_FAILED, measurement=None)
    predictor.learn([outcome(None, 1, 4000.0), outcome(None, 4, 5000.0), failed])
    assert expected(predictor, tried) == pytest.approx(before, rel=0.001)


@pytest.mark.parametrize(("delay", "surprising"), [(100_000, False), (0, True)])
def test_only_a_config_that_should_have_kept_the_promise_lowers_what_is_expected(delay: int, surprising: bool) -> None:
    space = SearchSpace.parse(SPACE.replace("[0, 1000]", "[0, 100000]"), "space.yaml")
    learnt = Predictor.of_model(space, BASE, OBJECTIVE)
    known = [outcome(None, 1, 4000.0), outcome(None, 4, 5000.0)]
    learnt.learn(known)
    before = {each.key: expected(learnt, each) for each in learnt.candidates}
    tried = candidate(space, 32, 4, delay=delay)
    assert keeps(learnt, tried) is surprising
    learnt.learn([*known, outcome(tried, 4, None)])
    after = {each.key: expected(learnt, each) for each in learnt.candidates}
    assert (after[tried.key] < 0.6 * before[tried.key]) is surprising
    far = candidate(space, 1, 1, dynamic=False)
    assert after[far.key] == pytest.approx(before[far.key], rel=0.02)
    assert surprising or after == pytest.approx(before)


def test_what_an_earlier_study_found_corrects_the_simulation_but_is_not_to_be_beaten(
    predictor: Predictor, space: SearchSpace
) -> None:
    tried, own = candidate(space, 64, 4), candidate(space, 1, 1, dynamic=False)
    before = expected(predictor, tried)
    earlier = [outcome(None, 1, 4000.0), outcome(tried, 4, 0.7 * before)]
    learnt = Predictor.of_model(space, BASE, OBJECTIVE)
    learnt.learn([], earlier)
    assert learnt.best is None
    assert expected(learnt, tried) == pytest.approx(0.7 * before, rel=0.1)
    learnt.learn([outcome(own, 1, expected(learnt, own))], earlier)
    assert learnt.best is not None
    assert learnt.best < 0.3 * expected(learnt, tried)


def test_execution_times_come_from_the_studys_own_trials_first(space: SearchSpace) -> None:
    own = outcome(None, 1, 4000.0)
    assert own.measurement is not None
    slow = replace(own.measurement, probes=tuple(slower(each.probe) for each in [screen(), saturated(8)]))
    learnt, alone = Predictor.of_model(space, BASE, OBJECTIVE), Predictor.of_model(space, BASE, OBJECTIVE)
    alone.learn([own] * 30)
    learnt.learn([own] * 30, [replace(own, measurement=slow)] * 30)
    tried = candidate(space, 8, 1)
    assert simulated(learnt, tried) == pytest.approx(simulated(alone, tried))


@pytest.mark.parametrize(
    ("changes", "anew"),
    [
        pytest.param({}, False, id="nothing"),
        pytest.param({"handed_out": 0.52}, False, id="hardly-more-handed-out"),
        pytest.param({"handed_out": 0.9}, True, id="more-handed-out"),
        pytest.param({"contention": 0.2}, True, id="instances-in-each-others-way"),
        pytest.param({"execution_cpu_s": 0.002}, True, id="the-cores"),
        pytest.param({"device_s": np.array([1.0, 1.1])}, True, id="the-device"),
    ],
)
def test_what_would_be_simulated_otherwise_is_simulated_anew(changes: dict[str, Any], anew: bool) -> None:
    times = ServiceTimes(np.array([1.0, 2.0]), np.ones(2), np.zeros(1), np.ones(1), 0.001, 0.001, handed_out=0.5)
    assert differ(times, replace(times, **changes)) == anew


def slower(probe: Probe) -> Probe:
    """The same window on a server that takes ten times as long."""
    taken_ns = {size: 10 * each for size, each in probe.server.batch_compute_ns.items()}
    return replace(probe, server=replace(probe.server, batch_compute_ns=taken_ns))


def test_a_config_without_an_instance_group_is_simulated_with_what_triton_was_seen_to_make() -> None:
    space = SearchSpace.parse("parameters:\n  max_batch_size: [1, 8]\n", "space.yaml")
    base = BASE.without("instance_group")
    seen = outcome(None, 1, 4000.0), outcome(None, 4, 5000.0)
    default = replace(seen[1], configs={"net": base.to_text()})
    assert default.measurement is not None
    one, four = (Predictor.of_model(space, base, OBJECTIVE) for _ in range(2))
    one.learn(seen)
    four.learn([seen[0], replace(default, measurement=replace(default.measurement, instances=4))])
    tried = next(space.candidates())
    assert simulated(four, tried) > 1.1 * simulated(one, tried)
    one.learn([replace(default, measurement=replace(default.measurement, instances=4))], seen)
    assert simulated(one, tried) == pytest.approx(simulated(four, tried), rel=0.05)
    alone = Predictor.of_model(space, base, OBJECTIVE)
    alone.learn([replace(default, measurement=replace(default.measurement, instances=4))])
    assert alone.ready


def test_improvement_is_largest_where_most_is_expected_or_least_is_known(predictor: Predictor) -> None:
    values = np.array([predictor.forecast(each).expected for each in predictor.candidates])  # type: ignore[union-attr]
    for best, at_most in ((None, 1.0), (0.9 * float(values.max()), np.inf), (1000 * float(values.max()), 1e-6)):
        predictor.best = best
        assert predictor.improvement().max() <= at_most
        assert (best is not None and at_most < 1) or predictor.improvement().argmax() == values.argmax()


def test_what_cannot_win_by_more_than_is_asked_for_is_left_out(predictor: Predictor, space: SearchSpace) -> None:
    best = max(predictor.forecast(each).expected for each in predictor.candidates)  # type: ignore[union-attr]

    def left(best: float, min_gain: float) -> int:
        asked = Predictor.of_model(space, BASE, OBJECTIVE, min_gain=min_gain)
        asked.learn([outcome(None, 1, 4000.0), outcome(None, 4, 5000.0)])
        asked.best = best
        return int(asked.may_win().sum())

    assert left(0.5 * best, 0.02) > left(best, 0.02) >= left(best, 0.5)
    assert left(10 * best, 0.02) == 0


def test_promises_to_win_that_did_not_come_true_are_believed_less(predictor: Predictor, space: SearchSpace) -> None:
    tried = candidate(space, 8, 1)
    found = 0.7 * expected(predictor, tried)

    def may_win(promise: float | None, trials: list[TrialOutcome]) -> int:
        forecast = predictor.forecast(tried)
        assert forecast is not None
        learnt = Predictor.of_model(space, BASE, OBJECTIVE)
        promising = [replace(each, forecast=replace(forecast, win_probability=promise)) for each in trials]
        learnt.learn([outcome(None, 1, 4000.0), *promising])
        return int(learnt.may_win().sum())

    lost = [outcome(tried, 1, found)] * 6
    won = [outcome(tried, 1, 1.1**each * found) for each in range(6)]
    nobodys = [replace(each, kind=OutcomeKind.CLIENT_FAILED, measurement=None) for each in lost]
    assert may_win(0.8, lost) < may_win(0.5, lost) < may_win(None, lost)
    assert may_win(0.8, won) == may_win(None, won)
    assert may_win(0.8, nobodys) == may_win(None, nobodys)


def test_one_lucky_value_is_not_taken_for_the_best(predictor: Predictor, space: SearchSpace) -> None:
    tried = [each for each in predictor.candidates if each["dynamic_batching"]]
    sober = {each.key: 0.7 * predictor.forecast(each).simulated for each in tried}  # type: ignore[union-attr]
    lucky = max(tried, key=lambda each: sober[each.key])
    predictor.learn(
        [outcome(each, instances(each), sober[each.key] * (1.3 if each is lucky else 1.0)) for each in tried]
    )
    assert predictor.best is not None
    assert sober[lucky.key] < predictor.best < 1.2 * sober[lucky.key]


def test_ranks_that_disagree_with_the_measured_ones_are_doubted(predictor: Predictor, space: SearchSpace) -> None:
    ranked = sorted(predictor.candidates, key=lambda each: expected(predictor, each))
    agreeing = [outcome(each, 1, 1000.0 + 100 * rank) for rank, each in enumerate(ranked)]
    opposed = [outcome(each, 1, 2000.0 - 100 * rank) for rank, each in enumerate(ranked)]
    predictor.learn(agreeing)
    assert predictor.doubt == ""
    predictor.learn(opposed)
    assert predictor.doubt.startswith("it is wrong about which config is better in ")


def test_ranks_of_values_that_are_all_alike_are_not_correlated(predictor: Predictor) -> None:
    found = [outcome(each, 1, 1000.0) for each in predictor.candidates]
    predictor.learn(found)
    assert predictor.rank_correlation(found) is None


def test_a_right_simulation_is_not_doubted_where_a_persons_own_config_beats_all_others(predictor: Predictor) -> None:
    own, *others = sorted(predictor.candidates, key=lambda each: -simulated(predictor, each))
    bound = 1.02 * simulated(predictor, own)
    losers = [outcome(each, instances(each), None, beaten_by_per_s=bound) for each in others]
    predictor.learn([outcome(own, instances(own), simulated(predictor, own)), *losers])
    assert predictor.doubt == ""


def test_a_simulation_whose_best_configs_lose_to_one_that_it_holds_to_be_slow_is_doubted(predictor: Predictor) -> None:
    own, *others = sorted(predictor.candidates, key=lambda each: simulated(predictor, each))
    found = 2 * simulated(predictor, others[-1])
    losers = [outcome(each, instances(each), None, beaten_by_per_s=1.02 * found) for each in others]
    predictor.learn([outcome(own, instances(own), found), *losers])
    assert predictor.doubt.startswith("it is wrong about which config is better in ")


def test_configs_that_the_simulation_holds_to_be_alike_say_nothing_of_its_order(
    predictor: Predictor, space: SearchSpace
) -> None:
    better, other = candidate(space, 8, 1), candidate(space, 8, 1, delay=1000)
    assert 1 < simulated(predictor, better) / simulated(predictor, other) < 1.1
    opposed = [outcome(each, 1, found) for each, found in ((better, 2000.0), (other, 2300.0))] * 6
    predictor.learn([*opposed, outcome(None, 4, 5000.0)])
    assert predictor.doubt == ""


def test_the_lowest_latency_is_predicted_at_the_rate_asked_for(space: SearchSpace) -> None:
    learnt = Predictor.of_model(space, BASE, Objective("latency", (), rate_per_s=20.0))
    learnt.learn([outcome(None, 1, 4000.0), outcome(None, 4, 5000.0)])
    fast, slow = candidate(space, 8, 4), candidate(space, 8, 4, delay=1000)
    assert expected(learnt, fast) < expected(learnt, slow) < 1.0
    gain = dict(zip((each.key for each in learnt.candidates), learnt.improvement(), strict=True))
    assert gain[fast.key] > gain[slow.key]


def test_a_queue_delay_that_company_cuts_short_is_not_ruled_out_where_a_rate_is_given() -> None:
    space = SearchSpace.parse(SPACE.replace("[0, 1000]", "[0, 100000]"), "space.yaml")
    tried = candidate(space, 8, 4, delay=100_000)
    for objective, kept in ((replace(OBJECTIVE, goal="latency", rate_per_s=1500.0), True), (OBJECTIVE, False)):
        learnt = Predictor.of_model(space, BASE, objective)
        learnt.learn([outcome(None, 1, 4000.0), outcome(None, 4, 5000.0)])
        assert keeps(learnt, tried) is kept


def test_ensembles_cannot_be_simulated(space: SearchSpace) -> None:
    ensemble = ModelConfig.parse(
        'name: "e"\nplatform: "ensemble"\nmax_batch_size: 8\nensemble_scheduling { step [] }\n', "config.pbtxt"
    )
    refused = Predictor.of_model(SearchSpace.parse("parameters:\n  max_batch_size: [1, 8]\n", "s"), ensemble, OBJECTIVE)
    assert "does not know how Triton batches" in refused.inapplicable
    refused.learn([outcome(None, 1, 100.0)])
    assert not refused.ready


def test_parameters_that_a_simulation_knows_nothing_of_are_told_apart(space: SearchSpace) -> None:
    with_field = SearchSpace.parse(SPACE + "fields:\n  parameters.threads: ['1', '2']\n", "space.yaml")
    learnt = Predictor.of_model(with_field, BASE, OBJECTIVE)
    one, two = (next(each for each in with_field.candidates() if _is(each, threads)) for threads in ("1", "2"))
    learnt.learn([outcome(None, 1, 4000.0), outcome(one, 4, 200.0)])
    assert math.isclose(learnt.forecast(one).simulated, learnt.forecast(two).simulated)  # type: ignore[union-attr]
    assert expected(learnt, one) < expected(learnt, two)


def _is(each: Candidate, threads: str) -> bool:
    wanted = {"max_batch_size": 64, "instance_count": 4, "max_queue_delay_microseconds": 0}
    values = each.as_dict()
    return values["parameters.threads"] == threads and all(values[name] == value for name, value in wanted.items())


@pytest.mark.parametrize(("load", "tried"), [("closed", True), ("open", False)])
def test_a_closed_loop_that_misses_its_ceiling_by_little_is_not_given_up_unseen(
    space: SearchSpace, load: Literal["open", "closed"], tried: bool
) -> None:
    slowest_s = max(edge for edge, _ in screen().probe.histogram if math.isfinite(edge))  # one request at a time
    # Hardly more than that, which simulated executions miss, as they vary.
    predictor = Predictor.of_model(space, BASE, Objective("throughput", (Ceiling("p99", 1.12 * slowest_s),), load=load))
    predictor.learn([outcome(None, 1, None)])
    assert keeps(predictor, candidate(space, 8, 1)) == tried


@pytest.mark.parametrize("load", ["closed", "open"])
def test_where_no_config_keeps_the_promise_those_that_miss_it_least_come_first(
    space: SearchSpace, load: Literal["open", "closed"]
) -> None:
    predictor = Predictor.of_model(space, BASE, Objective("throughput", (Ceiling("p99", 0.5 * alone_s(1)),), load=load))
    predictor.learn([outcome(None, 1, None)])
    assert not predictor.keeps_any
    at_once, held_back = (simulated(predictor, candidate(space, 8, 1, delay=delay)) for delay in (0, 1000))
    assert at_once > held_back > 0
    assert predictor.candidates[int(np.argmax(predictor.improvement()))]["max_queue_delay_microseconds"] in (None, 0)


def test_each_forecast_says_how_likely_the_config_wins_also_where_refinements_came_to_the_space() -> None:
    space = SearchSpace.parse(SPACE.replace("[1, 8, 32, 64]", "{low: 1, high: 64, scale: log2, refine: 8}"), "s")
    learnt = Predictor.of_model(space, BASE, OBJECTIVE)
    known = [outcome(None, 1, 3000.0), outcome(candidate(space, 32, 1), 1, 6000.0)]
    learnt.learn(known[:1])
    before = len(learnt.candidates)
    learnt.learn(known)
    assert len(learnt.candidates) > before
    forecasts = [learnt.forecast(each) for each in learnt.candidates]
    told = [each.win_probability for each in forecasts if each is not None and each.win_probability is not None]
    assert len(told) == len(learnt.candidates)
    assert [each >= 0.1 for each in told] == learnt.may_win().tolist()  # all is open here


def test_sizes_between_powers_of_two_are_predicted_next_to_the_best_and_win_where_they_carry_more() -> None:
    text = SPACE.replace("[1, 8, 32, 64]", "{low: 1, high: 64, scale: log2, refine: 8}")
    space = SearchSpace.parse(text, "space.yaml")
    # A ceiling that batches of 64 break, and those of 32 leave room under.
    objective = Objective("throughput", (Ceiling("p99", 2.2 * alone_s(48)),))
    learnt = Predictor.of_model(space, BASE, objective, min_gain=0.02)
    best = candidate(space, 32, 1)
    assert all(space.is_coarse(each) for each in learnt.candidates)
    known = [outcome(None, 1, 3000.0), outcome(best, 1, 6000.0)]
    learnt.learn(known)
    around = [each for each in learnt.candidates if not space.is_coarse(each)]
    assert [each["max_batch_size"] for each in around] == [24, 24, 40, 40, 48, 48, 56, 56]  # with both delays
    may_win = dict(zip((each.key for each in learnt.candidates), learnt.may_win(), strict=True))
    wanted = [each["max_batch_size"] for each in around if may_win[each.key]]
    assert wanted == [each["max_batch_size"] for each in around if expected(learnt, each) > 1.02 * (learnt.best or 0)]
    assert 40 in wanted
    assert 24 not in wanted

    learnt.learn([*known, outcome(candidate(space, 8, 1), 1, 9000.0)])  # the best is elsewhere now
    may_win = dict(zip((each.key for each in learnt.candidates), learnt.may_win(), strict=True))
    assert not any(may_win[each.key] for each in around)
