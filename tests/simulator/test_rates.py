"""The rates that the simulator predicts, and what they depend on."""

import signal
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from autotune.arrivals import Constant, Gamma
from autotune.objective import Ceiling
from autotune.simulator import Batching, ServiceTimes, highest_rate, highest_rates, highest_throughputs, lowest_latency
from autotune.simulator._loaded_config import predict_each
from autotune.simulator._throughputs import CONCURRENCIES

SIZES = np.arange(1, 33)
P99_20_MS = (Ceiling("p99", 0.02),)


def _accelerator(host_ms=0.5, fixed_ms=2.0, per_item_ms=0.1, overhead_ms=0.3):
    """The bundled accelerator's times; see model_repository/README.md."""
    return ServiceTimes(
        np.full(len(SIZES), host_ms / 1e3),
        (fixed_ms + per_item_ms * SIZES) / 1e3,
        np.array([overhead_ms / 1e3]),
        np.ones(1),
    )


def test_the_ceiling_holds_at_the_rate_and_breaks_just_above_it():
    batching = Batching(16, dynamic=True)
    prediction = highest_rate(batching, _accelerator(), P99_20_MS)
    assert prediction.latency_s["p99"] <= 0.02
    assert 0 < prediction.rate_per_s < prediction.saturation_per_s
    (above,) = lowest_latency([batching], _accelerator(), prediction.rate_per_s * 1.02, ceilings=P99_20_MS)
    assert above.rate_per_s == 0
    assert above.latency_s["p99"] > 0.02


def test_bursts_sustain_less_than_requests_that_come_evenly():
    rates = [
        highest_rates([Batching(16, dynamic=True)], _accelerator(), P99_20_MS, spacing=spacing)[0].rate_per_s
        for spacing in (Constant(), Gamma(1.0), Gamma(3.0), Gamma(6.0))
    ]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.7 * rates[0]


def test_a_mean_ceiling_holds_at_the_rate_and_breaks_just_above_it():
    ceilings = (Ceiling("avg", 0.006),)
    prediction = highest_rate(Batching(16, dynamic=True), _accelerator(), ceilings)
    assert prediction.latency_s["avg"] <= 0.006
    (above,) = lowest_latency(
        [Batching(16, dynamic=True)], _accelerator(), prediction.rate_per_s * 1.02, "avg", ceilings
    )
    assert above.latency_s["avg"] > 0.006


def test_the_strictest_of_several_ceilings_decides():
    batching, loose = Batching(16, dynamic=True), Ceiling("avg", 1.0)
    both = highest_rate(batching, _accelerator(), (*P99_20_MS, loose))
    assert both.rate_per_s == highest_rate(batching, _accelerator(), P99_20_MS).rate_per_s
    assert both.latency_s.keys() >= {"p99", "avg", "p50"}


def test_the_saturation_follows_from_the_times():
    predictions = highest_rates(
        [Batching(8, dynamic=True), Batching(8, dynamic=True, instances=4), Batching(8, dynamic=False)],
        _accelerator(),
        P99_20_MS,
    )
    expected = [8 / 3.3e-3, 8 / 2.8e-3, 1 / 2.6e-3]
    assert [each.saturation_per_s for each in predictions] == pytest.approx(expected, rel=0.01)


def test_equal_seeds_predict_the_same_alone_and_among_others():
    candidates = [Batching(size, dynamic=True, instances=n) for size in (2, 8, 32) for n in (1, 2)]
    together = highest_rates(candidates, _accelerator(), P99_20_MS, seed=5)
    assert together == highest_rates(candidates, _accelerator(), P99_20_MS, seed=5)
    assert together[3] == highest_rate(candidates[3], _accelerator(), P99_20_MS, seed=5)
    assert together != highest_rates(candidates, _accelerator(), P99_20_MS, seed=6)


def test_a_looser_ceiling_never_lowers_the_rate():
    batching = Batching(16, dynamic=True, max_queue_delay_s=0.002)
    rates = [
        highest_rate(batching, _accelerator(), [Ceiling("p99", limit_s)]).rate_per_s
        for limit_s in (0.004, 0.006, 0.008, 0.012, 0.02, 0.05, 0.2, 1.0, 100.0)
    ]
    assert rates == sorted(rates)
    assert rates[0] == 0
    assert rates[-1] > 1.05 * rates[4]


def test_a_limit_below_one_execution_is_never_kept():
    prediction = highest_rate(Batching(16, dynamic=True), _accelerator(), [Ceiling("p99", 0.001)])
    assert prediction.rate_per_s == 0
    assert prediction.latency_s["p99"] > 0.0026


def test_a_growing_queue_fails_whatever_the_ceiling():
    batching = Batching(8, dynamic=True)
    prediction = highest_rate(batching, _accelerator(), [Ceiling("p99", 1e6)])
    assert prediction.rate_per_s <= prediction.saturation_per_s
    below, above = (
        lowest_latency([batching], _accelerator(), part * prediction.saturation_per_s)[0] for part in (0.9, 1.05)
    )
    assert below.rate_per_s > 0
    assert above.rate_per_s == 0


def test_a_rate_is_found_though_lower_ones_miss_the_ceiling():
    """Alone, requests wait out the delay; with company they are sent at once."""
    batching = Batching(8, dynamic=True, max_queue_delay_s=0.05, preferred_sizes=(4,))
    (slow,) = lowest_latency([batching], _accelerator(), 20.0, ceilings=P99_20_MS)
    assert slow.rate_per_s == 0
    assert highest_rate(batching, _accelerator(), P99_20_MS).rate_per_s > 1000


def test_the_best_instance_count_follows_the_timings():
    counts = {n: Batching(16, dynamic=True, instances=n) for n in (1, 4)}
    ceilings = [Ceiling("p99", 0.032)]
    host_bound = _accelerator(host_ms=10, fixed_ms=0.2, per_item_ms=0.02)
    device_bound = _accelerator(host_ms=0.1, fixed_ms=10, per_item_ms=0.02)
    for service, best in ((host_bound, 4), (device_bound, 1)):
        rates = {n: highest_rate(batching, service, ceilings).rate_per_s for n, batching in counts.items()}
        assert max(rates, key=rates.__getitem__) == best
        assert max(rates.values()) > 1.3 * min(rates.values())


@pytest.mark.parametrize("seed", range(4))
def test_configs_that_differ_by_three_per_cent_are_ranked_right_with_any_seed(seed):
    quick, slow = _accelerator(), _accelerator(host_ms=0.5 * 1.03, fixed_ms=2 * 1.03, per_item_ms=0.1 * 1.03)
    for batching in (Batching(8, dynamic=True), Batching(32, dynamic=True, max_queue_delay_s=0.004, instances=2)):
        rates = [highest_rate(batching, service, P99_20_MS, seed=seed).rate_per_s for service in (quick, slow)]
        assert rates[0] > rates[1]


def test_latencies_at_a_rate_rank_configs():
    candidates = [
        Batching(1, dynamic=False),
        Batching(8, dynamic=True),
        Batching(8, dynamic=True, max_queue_delay_s=0.03),
    ]
    single, batched, delayed = lowest_latency(candidates, _accelerator(), 500.0, "p95")
    assert batched.latency_s["p95"] < delayed.latency_s["p95"]
    assert single.rate_per_s == 0  # one by one completes less than 400/s
    assert batched.rate_per_s == delayed.rate_per_s == 500
    assert batched.mean_batch < delayed.mean_batch


def test_larger_batches_than_known_are_extrapolated():
    service = _accelerator()
    known = ServiceTimes(service.host_s[:8], service.device_s[:8], service.overhead_s, service.spread)
    batching = Batching(32, dynamic=True)
    assert highest_rate(batching, known, P99_20_MS).rate_per_s == pytest.approx(
        highest_rate(batching, service, P99_20_MS).rate_per_s
    )


def test_no_candidates_have_no_predictions():
    assert highest_rates([], _accelerator(), P99_20_MS) == []


def test_the_spread_of_executions_costs_rate():
    steady = _accelerator()
    unsteady = replace(steady, spread=np.array([0.5, 0.5, 0.5, 2.5]))
    rates = [highest_rate(Batching(8, dynamic=True), each, P99_20_MS).rate_per_s for each in (steady, unsteady)]
    assert rates[1] < 0.95 * rates[0]


def _unsteady(**changes):
    """`_accelerator`, whose executions vary by a twentieth: a closed loop is else in step with them for ever."""
    return replace(_accelerator(), **changes).varying(0.05)


@pytest.mark.parametrize("batching", [Batching(16, dynamic=True), Batching(8, dynamic=True, instances=3)])
def test_a_closed_loop_obeys_littles_law(batching):
    for limit_s in (0.004, 0.01, 0.05):
        (prediction,) = highest_throughputs([batching], _unsteady(), [Ceiling("p99", limit_s)])
        outstanding = prediction.rate_per_s * prediction.latency_s["avg"]
        assert prediction.concurrency in CONCURRENCIES
        assert outstanding == pytest.approx(prediction.concurrency, rel=0.02)
        assert prediction.latency_s["p99"] <= limit_s
        assert prediction.rate_per_s <= 1.03 * prediction.saturation_per_s


def test_a_closed_loop_completes_the_most_where_every_batch_is_full():
    (prediction,) = highest_throughputs([Batching(32, dynamic=True)], _unsteady(), [Ceiling("p99", 1.0)])
    assert prediction.rate_per_s == pytest.approx(32 / 5.7e-3, rel=0.1)
    assert prediction.mean_batch == pytest.approx(32, rel=0.01)


def test_a_closed_loop_of_one_request_is_alone():
    (prediction,) = highest_throughputs([Batching(32, dynamic=True)], _unsteady(), [Ceiling("avg", 0.003)])
    assert prediction.rate_per_s == pytest.approx(1 / 2.9e-3, rel=0.01)
    (infeasible,) = highest_throughputs([Batching(32, dynamic=True)], _unsteady(), [Ceiling("avg", 0.0028)])
    assert infeasible.rate_per_s == 0


def test_doubts_about_the_limits_weigh_what_is_completed_under_each():
    batching, limits_s = Batching(16, dynamic=True, instances=2), (0.006, 0.009, 0.012)
    (weighed,) = highest_throughputs(
        [batching], _unsteady(), [Ceiling("p99", 0.009)], factors=[each / 0.009 for each in limits_s]
    )
    alone = [highest_throughputs([batching], _unsteady(), [Ceiling("p99", each)])[0] for each in limits_s]
    assert alone[0].rate_per_s < alone[1].rate_per_s < alone[2].rate_per_s
    assert weighed.rate_per_s == pytest.approx(np.mean([each.rate_per_s for each in alone]), rel=0.03)
    assert weighed.latency_s["p99"] <= 0.009


def test_a_think_time_lowers_what_a_given_concurrency_completes_but_not_its_latency():
    def completed(client_s):
        def in_loop(config):
            return config.in_closed_loop(4)

        batching = Batching(1, dynamic=False, instances=4)
        (found,) = predict_each([batching], _unsteady(client_s=client_s), P99_20_MS, 4000, 0, in_loop)
        return found

    at_once, later = completed(0.0), completed(0.05)
    assert later.rate_per_s == pytest.approx(4 / (0.05 + later.latency_s["avg"]), rel=0.03)  # Little's law
    assert later.rate_per_s < at_once.rate_per_s
    assert later.latency_s["avg"] <= at_once.latency_s["avg"]


def test_more_outstanding_requests_may_keep_a_ceiling_that_fewer_miss():
    # Full batches leave at once; with too few outstanding requests for them, each waits for the whole delay.
    batching, ceiling = Batching(32, dynamic=True, max_queue_delay_s=0.01), [Ceiling("p99", 0.009)]
    service = _unsteady()
    (seldom,) = lowest_latency([batching], service, 10.0, "p50")
    assert seldom.latency_s["p50"] > 0.01
    (prediction,) = highest_throughputs([batching], service, ceiling)
    assert prediction.mean_batch == pytest.approx(32, rel=0.05)
    assert prediction.rate_per_s > 0.9 * prediction.saturation_per_s


@pytest.mark.parametrize("delay_s", [0.002, 0.005])
@pytest.mark.parametrize("max_batch", [16, 32, 40])
def test_a_number_that_makes_full_batches_is_not_passed_over(max_batch, delay_s):
    batching, service = Batching(max_batch, dynamic=True, max_queue_delay_s=delay_s), _unsteady(client_s=0.00002)

    def best_of_all(config):
        tried = (config.in_closed_loop(concurrency) for concurrency in CONCURRENCIES)
        return max((each for each in tried if each is not None), key=lambda each: each.rate_per_s)

    (best,) = predict_each([batching], service, P99_20_MS, 20_000, 0, best_of_all)
    (found,) = highest_throughputs([batching], service, P99_20_MS, requests=20_000)
    assert found.rate_per_s > 0.97 * best.rate_per_s


def test_an_interrupt_does_not_wait_for_all_candidates():
    candidates = [Batching(8, dynamic=True)] * 400
    predicted, first = [], threading.Lock()

    def slowly(config):
        if first.acquire(blocking=False):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        predicted.append(config.saturation_per_s)
        time.sleep(0.01)

    with pytest.raises(KeyboardInterrupt):
        predict_each(candidates, _accelerator(), P99_20_MS, 100, 0, slowly)
    assert 0 < len(predicted) < 100
