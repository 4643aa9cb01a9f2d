"""Reasons and limits in words."""

from dataclasses import replace

import pytest
from stored_trials import outcome

from autotune.measurement import Disturbance, DisturbanceKind, Limit, LimitKind, Serving
from autotune.report._reasons import disturbance, limit, notes, warnings
from autotune.store._codec import decode, encode


@pytest.mark.parametrize("kind", DisturbanceKind)
def test_every_disturbance_has_words(kind):
    assert disturbance(Disturbance(kind, 0.5, 0.25, 2, "detail"))


def test_figures_and_limits_are_said():
    steal = Disturbance(DisturbanceKind.STEAL, 0.04, 0.025, cores=2)
    assert disturbance(steal) == "the hypervisor took CPU away (steal): 4.0% of 2 cores, at most 2.5% is allowed"
    late = Disturbance(DisturbanceKind.CLIENT_LATE, 0.00041, 0.00025)
    assert disturbance(late) == "the client dispatched late: p99 410us, at most 250us is allowed"


@pytest.mark.parametrize("kind", LimitKind)
def test_every_limit_has_words(kind):
    assert limit(Limit(kind, instances=2, text="text"))


def test_a_client_at_fault_is_named_with_its_figure():
    busy = Disturbance(DisturbanceKind.CLIENT_BUSY, 0.85, 0.7)
    assert limit(Limit(LimitKind.CLIENT, disturbance=busy)).startswith("client: the client was busy: 85.0%")


def test_warnings_count_disturbed_windows():
    measured = outcome().measurement
    (only,) = warnings(measured)
    assert only.startswith("1 of 2 windows disturbed, the last because the client dispatched late")
    assert len(warnings(replace(measured, decided_by=measured.probes[2]))) == 2
    assert warnings(replace(measured, probes=measured.probes[:2])) == []


def test_the_step_that_limits_an_ensemble_is_named():
    busy = Limit(LimitKind.INSTANCES, model="preprocess", instances=1, busy=0.98, mean_batch=1.0)
    assert limit(busy) == "compute in preprocess: the instance is busy 98% of the time, in batches of 1.0"


def test_a_full_queue_is_named_with_its_size_and_the_field_to_search():
    full = Limit(LimitKind.ERRORS, failed=0.12, queue_size=1, text="http 503: Exceeds maximum queue size")
    assert limit(full) == (
        "errors: 12.0% of requests failed at a higher load (http 503: Exceeds maximum queue size);"
        " max_queue_size is 1: raise it, or search dynamic_batching.default_queue_policy.max_queue_size"
    )


def test_waiting_for_the_rate_limiter_is_said():
    waits = Limit(LimitKind.QUEUE, instances=2, busy=0.5, queue_s=0.43, rate_limited=True)
    assert limit(waits) == (
        "queueing: requests wait 430ms while 2 instances are busy 50% of the time;"
        " with --rate-limit, instances wait for the rate limiter's resources"
    )


def screened(measured, *slow_s, serving):
    """The measurement, with a screen of 100 requests of 5 ms and these."""
    histogram = ((0.005, 100), *((seconds, 1) for seconds in slow_s))
    screen = replace(
        measured.probes[0],
        purpose="screen",
        requests=100 + len(slow_s),
        errors={},
        latency_s={"p50": 0.005},
        histogram=histogram,
    )
    return replace(measured, probes=(screen,), serving=serving)


def test_the_cost_of_a_queue_policy_is_named():
    measured = outcome().measurement
    (line,) = notes(screened(measured, 0.1, 0.45, 0.51, serving=Serving(polls=True)))
    assert "2 of 103 requests, sent one at a time, waited for a 500 ms poll" in line
    assert notes(screened(measured, 0.1, serving=Serving(polls=True))) == []
    assert notes(screened(measured, 0.51, serving=Serving())) == []


def test_answers_from_the_response_cache_are_said():
    measured = outcome().measurement
    decided = measured.probes[0]
    cached = replace(decided, server=replace(decided.server, cache_hit_count=999, cache_miss_count=999))
    (line,) = notes(replace(measured, decided_by=cached, serving=Serving(cached=True)))
    assert line == "50.0% of requests were answered from the response cache, not by the model"
    (line,) = notes(replace(measured, decided_by=decided, serving=Serving(cached=True)))
    assert line.startswith("response_cache has no effect")


def test_reasons_of_earlier_versions_are_read_as_they_were_written():
    measured = outcome().measurement
    body = encode(measured)
    body["limited_by"], body["warnings"] = "compute: busy", ["1 window was disturbed"]
    body["probes"][2]["invalid"] = ["the client dispatched late"]
    read = decode(body)
    assert limit(read.limited_by) == "compute: busy"
    assert [disturbance(each) for each in read.probes[2].invalid] == ["the client dispatched late"]
    assert decode({**body, "limited_by": ""}).limited_by is None
