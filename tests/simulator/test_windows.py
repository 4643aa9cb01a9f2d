"""When batches start and what is in them: hand-made arrivals with exact times."""

from dataclasses import replace

import numpy as np
import pytest

from autotune.simulator import Batching, ServiceTimes, simulate
from autotune.simulator._draws import Draws
from autotune.simulator._stage import Stage
from autotune.simulator._window import Runner


def _takes(host_s: float = 0.0, device_s: float = 0.0) -> ServiceTimes:
    """Executions that take as long at any size."""
    return ServiceTimes(np.full(16, host_s), np.full(16, device_s), np.zeros(1), np.ones(1))


@pytest.mark.parametrize(
    ("batching", "service", "arrivals_s", "latency_s", "executions"),
    [
        pytest.param(
            Batching(8, dynamic=True),
            _takes(1),
            [0, 0.1, 0.2, 0.3],
            [1, 1.9, 1.8, 1.7],
            {1: 1, 3: 1},
            id="no-delay-takes-what-waits",
        ),
        pytest.param(
            Batching(2, dynamic=True),
            _takes(1),
            [0, 0.1, 0.2, 0.3],
            [1, 1.9, 1.8, 2.7],
            {1: 2, 2: 1},
            id="a-batch-has-max-batch-size-at-most",
        ),
        pytest.param(
            Batching(8, dynamic=True, max_queue_delay_s=0.5),
            _takes(1),
            [0, 0.3, 5],
            [1.5, 1.2, 1.5],
            {1: 1, 2: 1},
            id="the-delay-counts-from-the-oldest",
        ),
        pytest.param(
            Batching(2, dynamic=True, max_queue_delay_s=0.5),
            _takes(1),
            [0, 0.3],
            [1.3, 1.0],
            {2: 1},
            id="max-batch-size-is-sent-at-once",
        ),
        pytest.param(
            Batching(8, dynamic=True, max_queue_delay_s=5, preferred_sizes=(2,)),
            _takes(1),
            [0, 0.1],
            [1.1, 1.0],
            {2: 1},
            id="a-preferred-size-is-sent-at-once",
        ),
        pytest.param(
            Batching(8, dynamic=True, preferred_sizes=(4, 6)),
            _takes(1),
            [0, 0.1, 0.1, 0.1, 0.1, 0.1],
            [1, 1.9, 1.9, 1.9, 1.9, 2.9],
            {1: 2, 4: 1},
            id="without-a-delay-a-preferred-size-is-not-exceeded",
        ),
        pytest.param(
            # {0} runs until 2.5. {0.6} queues from 1.1 on. The request at 1.5 is the fourth that waits, which wakes
            # the batcher: three fill the queueing batch up to 4, and the one left over goes along.
            Batching(8, dynamic=True, max_queue_delay_s=0.5, preferred_sizes=(4,)),
            _takes(2),
            [0, 0.6, 1.2, 1.3, 1.4, 1.5],
            [2.5, 3.9, 3.3, 3.2, 3.1, 3.0],
            {1: 1, 5: 1},
            id="a-queueing-batch-grows-beyond-a-preferred-size",
        ),
        pytest.param(
            # A pair runs until 2; four queue (two pairs) and one more from 0.9 on, so that both slots are taken. At 2
            # the instance takes all five, and the three behind them are past their delay: no pair is split off.
            Batching(8, dynamic=True, max_queue_delay_s=0.5, preferred_sizes=(2,)),
            _takes(2),
            [0, 0, 0.1, 0.1, 0.2, 0.3, 0.4, 1.0, 1.1, 1.2],
            [2, 2, 3.9, 3.9, 3.8, 3.7, 3.6, 5.0, 4.9, 4.8],
            {2: 1, 3: 1, 5: 1},
            id="past-the-delay-preferred-sizes-do-not-count",
        ),
        pytest.param(
            Batching(1, dynamic=True, max_queue_delay_s=0.5),
            _takes(1),
            [0, 0.1],
            [1, 1.9],
            {1: 2},
            id="nothing-waits-for-company-at-max-batch-size-1",
        ),
        pytest.param(
            Batching(8, dynamic=False, max_queue_delay_s=0.5, instances=2),
            _takes(1),
            [0, 0.1, 0.2],
            [1, 1, 1.8],
            {1: 3},
            id="without-the-batcher-every-request-is-an-execution",
        ),
        pytest.param(
            Batching(1, dynamic=False, instances=2),
            _takes(host_s=0.5, device_s=1),
            [0, 0.2, 0.3],
            [1.5, 2.3, 3.2],
            {1: 3},
            id="instances-share-the-device-in-turn",
        ),
    ],
)
def test_requests_are_answered_when_triton_would(batching, service, arrivals_s, latency_s, executions):
    simulated = simulate(batching, service, np.array(arrivals_s, float))
    assert simulated.latency_s == pytest.approx(latency_s)
    assert simulated.batch_executions == executions


@pytest.mark.parametrize(
    ("batcher_first", "latency_s"),
    [
        pytest.param(False, [1.5, 1.9, 1.8, 2.3, 2.2], id="the-instance-was-first"),
        pytest.param(True, [1.5, 1.9, 1.8, 1.3, 1.2], id="the-batcher-was-first"),
    ],
)
def test_a_queueing_batch_grows_at_the_end_of_an_execution_only_if_the_batcher_is_first(batcher_first, latency_s):
    arrivals_s = np.array([0, 0.6, 0.7, 1.2, 1.3])
    draws = Draws(arrivals_s, np.zeros(5), np.ones(5), np.full(5, batcher_first))
    batching = Batching(8, dynamic=True, max_queue_delay_s=0.5, preferred_sizes=(4,))
    runner = Runner([Stage(batching, _takes(1))], [draws])
    runner.run(arrivals_s, 1.0)
    assert runner.latency_s == pytest.approx(latency_s)


@pytest.mark.parametrize(
    ("handed_out", "latency_s"),
    [
        pytest.param(0.0, [2.5, 2.5, 1.4], id="a-small-batch-overtakes-one-whose-inputs-were-long-in-coming"),
        pytest.param(0.6, [2.0, 2.0, 2.3], id="some-before-and-some-after"),
        pytest.param(1.0, [2.0, 2.0, 1.9], id="an-instance-hands-out-while-another-has-the-device"),
    ],
)
def test_what_is_handed_out_follows_the_device(handed_out, latency_s):
    service = ServiceTimes(np.array([0.0, 1.0]), np.ones(2), np.zeros(1), np.ones(1), handed_out=handed_out)
    batching = Batching(2, dynamic=True, max_queue_delay_s=0.4, instances=2)
    simulated = simulate(batching, service, np.array([0, 0, 0.1]))  # the third one waits for company until 0.5
    assert simulated.latency_s == pytest.approx(latency_s)


def test_one_instance_takes_as_long_whatever_is_handed_out():
    service = ServiceTimes(np.array([0.1, 0.3]), np.ones(2), np.zeros(1), np.ones(1))
    for handed_out in (0.0, 0.7, 1.0):
        later = simulate(Batching(2, dynamic=True), replace(service, handed_out=handed_out), np.zeros(1000))
        assert later.makespan_s == pytest.approx(
            simulate(Batching(2, dynamic=True), service, np.zeros(1000)).makespan_s
        )


def test_comparing_shapes_wakes_the_batcher_for_every_request():
    batching = Batching(8, dynamic=True, max_queue_delay_s=0.5, compares_shapes=True)
    # {0} runs from 0.5 to 2.5, {0.6} queues from 1.1 on; the one at 1.2 joins it at once
    simulated = simulate(batching, _takes(2), np.array([0, 0.6, 1.2]))
    assert simulated.latency_s == pytest.approx([2.5, 3.9, 3.3])


def test_overhead_is_in_the_latency_and_not_in_the_queue():
    service = ServiceTimes(np.ones(1), np.zeros(1), np.array([0.25]), np.ones(1))
    simulated = simulate(Batching(1, dynamic=False), service, np.array([0.0, 0.5]))
    assert simulated.latency_s == pytest.approx([1.25, 1.75])
    assert simulated.queue_s == pytest.approx([0, 0.5])
    assert simulated.makespan_s == pytest.approx(2)
    assert simulated.completed_per_s == pytest.approx(1)


def test_the_spread_stretches_both_parts_of_an_execution():
    service = ServiceTimes(np.ones(1), np.ones(1), np.zeros(1), np.array([0.5, 1.5]))
    simulated = simulate(Batching(1, dynamic=False), service, np.arange(100) * 10.0, seed=3)
    assert set(np.round(simulated.latency_s, 9)) == {1.0, 3.0}


def test_no_requests_are_answered_at_once():
    simulated = simulate(Batching(4, dynamic=True), _takes(1), np.empty(0))
    assert len(simulated.latency_s) == 0
    assert simulated.batch_executions == {}
    assert simulated.completed_per_s == 0


@pytest.mark.parametrize("arrivals_s", [[1.0, 0.5], [-1.0, 0.5]])
def test_arrivals_out_of_order_are_refused(arrivals_s):
    with pytest.raises(ValueError, match="ascending"):
        simulate(Batching(1, dynamic=False), _takes(1), np.array(arrivals_s))


@pytest.mark.parametrize(
    ("known_s", "size", "expected_s"),
    [
        pytest.param([2, 3], 1, [2], id="within"),
        pytest.param([2, 3], 4, [2, 3, 4, 5], id="a-line-goes-on"),
        pytest.param([1, 1, 2, 2], 6, [1, 1, 2, 2, 2.5, 3], id="steps-go-on-with-their-mean-slope"),
        pytest.param([3, 2], 4, [3, 2, 2, 2], id="never-downwards"),
        pytest.param([2], 3, [2, 4, 6], id="one-size-alone-says-nothing-for-batching"),
    ],
)
def test_times_of_unknown_sizes_go_on_in_a_line(known_s, size, expected_s):
    service = ServiceTimes(np.array(known_s), np.zeros(len(known_s)), np.zeros(1), np.ones(1)).up_to(size)
    assert service.host_s == pytest.approx(expected_s)
    assert service.device_s == pytest.approx(np.zeros(size))


@pytest.mark.parametrize(
    ("host_s", "device_s", "spread"),
    [
        pytest.param([1, 2], [1], [1], id="unequal-lengths"),
        pytest.param([-1], [2], [1], id="negative"),
        pytest.param([np.nan], [2], [1], id="not-a-number"),
        pytest.param([0], [0], [1], id="no-time-at-all"),
        pytest.param([1], [1], [], id="no-samples"),
    ],
)
def test_impossible_service_times_are_refused(host_s, device_s, spread):
    with pytest.raises(ValueError, match=r"time|expected"):
        ServiceTimes(np.array(host_s), np.array(device_s), np.zeros(1), np.array(spread))


@pytest.mark.parametrize("handed_out", [-0.1, 1.1, np.nan])
def test_only_a_fraction_is_handed_out(handed_out):
    with pytest.raises(ValueError, match="handed_out: expected a fraction"):
        ServiceTimes(np.ones(1), np.ones(1), np.zeros(1), np.ones(1), handed_out=handed_out)
