"""Without batching the simulator is a queue of the textbooks: mean waits against their closed forms."""

import math
from dataclasses import replace

import numpy as np
import pytest

from autotune.simulator import Batching, ServiceTimes, simulate

REQUESTS = 400_000


def _mean_wait_s(rate_per_s, service, instances=1):
    arrivals_s = np.random.default_rng(7).exponential(1 / rate_per_s, REQUESTS).cumsum()
    return simulate(Batching(1, dynamic=False, instances=instances), service, arrivals_s).queue_s.mean()


def _service(host_s=0.0, device_s=0.0, spread=(1.0,)):
    return ServiceTimes(np.array([host_s]), np.array([device_s]), np.zeros(1), np.array(spread))


@pytest.mark.parametrize("load", [0.3, 0.6, 0.85])
@pytest.mark.parametrize("exponential", [False, True])
def test_one_instance_waits_as_pollaczek_and_khinchine_say(load, exponential):
    spread = np.random.default_rng(8).exponential(1.0, 10_000) if exponential else np.ones(1)
    spread /= spread.mean()
    expected_s = load * (spread**2).mean() / (2 * (1 - load))
    assert _mean_wait_s(load, _service(host_s=1, spread=spread)) == pytest.approx(expected_s, rel=0.05)


@pytest.mark.parametrize("instances", [2, 4])
@pytest.mark.parametrize("load", [0.6, 0.85])
def test_several_instances_wait_as_cosmetatos_says(instances, load):
    """His approximation of the M/D/c queue (Operational Research Quarterly 26(3), 1975), good to some per cent."""
    offered = load * instances
    terms = [offered**k / math.factorial(k) for k in range(instances)]
    last = offered**instances / math.factorial(instances) / (1 - load)
    exponential_s = last / (sum(terms) + last) / (instances - offered)  # Erlang C
    factor = 1 + (1 - load) * (instances - 1) * (math.sqrt(4 + 5 * instances) - 2) / (16 * load * instances)
    waited_s = _mean_wait_s(offered, _service(host_s=1), instances)
    assert waited_s == pytest.approx(factor * exponential_s / 2, rel=0.06)


@pytest.mark.parametrize("instances", [1, 3])
def test_a_device_completes_what_its_own_time_allows(instances):
    """Everything at once: the device is the bound with several instances, host and device together with one."""
    simulated = simulate(
        Batching(1, dynamic=False, instances=instances), _service(host_s=0.25, device_s=1), np.zeros(1000)
    )
    assert simulated.completed_per_s == pytest.approx(1 / 1.25 if instances == 1 else 1, rel=0.002)


@pytest.mark.parametrize("instances", [1, 3])
def test_instances_in_each_others_way_complete_less_than_one(instances):
    service = replace(_service(device_s=1), contention=0.25)
    simulated = simulate(Batching(1, dynamic=False, instances=instances), service, np.zeros(1000))
    assert simulated.completed_per_s == pytest.approx(1 / (1 + 0.25 * (instances - 1)), rel=0.002)


def test_instances_are_in_nobodys_way_while_the_others_idle():
    service = replace(_service(device_s=1), contention=0.25)
    latency_s = simulate(Batching(1, dynamic=False, instances=3), service, np.arange(10) * 2.0).latency_s
    assert latency_s == pytest.approx(np.ones(10))


def test_a_batch_completes_its_items_for_the_price_of_one_execution():
    service = ServiceTimes(np.full(8, 0.5), np.full(8, 0.5), np.zeros(1), np.ones(1))
    simulated = simulate(Batching(8, dynamic=True, max_queue_delay_s=0.1), service, np.zeros(8000))
    assert simulated.batch_executions == {8: 1000}
    assert simulated.completed_per_s == pytest.approx(8, rel=0.001)


@pytest.mark.parametrize("load", [0.3, 0.85])
def test_requests_wait_for_the_cores_as_in_a_queue_of_their_own(load):
    service = replace(_service(host_s=1e-6), request_cpu_s=1.0)
    arrivals_s = np.random.default_rng(7).exponential(1 / load, REQUESTS).cumsum()
    latency_s = simulate(Batching(1, dynamic=False), service, arrivals_s).latency_s
    assert latency_s.mean() == pytest.approx(load / (2 * (1 - load)), rel=0.05)


@pytest.mark.parametrize("dynamic", [False, True])
def test_no_more_is_completed_than_the_cores_allow(dynamic):
    """Executions take from the cores what requests then wait for: the larger the batches, the less of it."""
    service = ServiceTimes(np.full(8, 0.1), np.zeros(8), np.zeros(1), np.ones(1), 1.0, 3.0)
    simulated = simulate(Batching(8, dynamic=dynamic, max_queue_delay_s=20.0 * dynamic), service, np.zeros(8000))
    assert simulated.mean_batch == pytest.approx(8 if dynamic else 1, rel=0.01)
    assert simulated.completed_per_s == pytest.approx(1 / (1 + 3 / simulated.mean_batch), rel=0.01)
