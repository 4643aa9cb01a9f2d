import os
import signal
import time

import numpy as np
import psutil
import pytest
from load_suite import NullServer, assert_adds_up, payload

from autotune.errors import UsageError
from autotune.load import ClosedLoop, ConstantRate, LoadGeneratorFailed, PoissonRate, Progress, Watch
from autotune.load._target import Target
from autotune.load.http._request import build_http_request
from autotune.load.worker._calibration import requests_per_s_of_a_process
from autotune.load.worker._fleet import Fleet, check_rate


@pytest.fixture
def server():
    server = NullServer("null_http_server.py")
    yield server
    server.stop()


def _target(port: int, behaviour: str = "ok", batch_size: int = 1) -> Target:
    return Target("http", "127.0.0.1", port, (build_http_request(payload(behaviour), "127.0.0.1", port),), batch_size)


@pytest.fixture
def fleet(server):
    """Two processes as soon as a rate is above 2,500 requests/s, three at most."""
    fleet = Fleet(_target(server.port), capacity=lambda target: 2500.0, most=3)
    yield fleet
    fleet.close()


def test_low_rates_and_closed_loops_take_one_process(fleet):
    assert fleet.processes_for(ConstantRate(2400)) == 1
    assert fleet.processes_for(ClosedLoop(1000)) == 1
    assert fleet.run(ConstantRate(200), 0.1, 1.0).processes == 1
    assert len(fleet.pids) == 1


def test_rate_beyond_one_process_is_shared_and_the_whole_schedule_sent(fleet, server):
    server.reset()
    result = fleet.run(PoissonRate(2600, seed=3), 0.4, 5.0)
    assert_adds_up(result)
    assert result.processes == 2
    assert result.failed == 0
    assert server.counters()["requests"] == result.requests
    # Starts of the processes differ a little; the arrivals are those of the one schedule.
    wanted = PoissonRate(2600, seed=3).arrivals(0.4)
    assert result.requests == len(wanted)
    shifted = result.scheduled_s - wanted
    assert np.quantile(np.abs(shifted), 0.5) < 0.1


def test_first_window_of_more_processes_is_the_load_that_was_asked_for(fleet):
    fleet.run(ConstantRate(200), 0.1, 1.0)
    result = fleet.run(ConstantRate(7000), 0.3, 5.0)
    assert result.processes == 3
    assert result.requests == 2100
    assert np.quantile(np.abs(result.scheduled_s - np.arange(2100) / 7000), 0.9) < 0.02


def test_process_that_falls_silent_is_given_up(fleet, monkeypatch):
    fleet.run(ConstantRate(3000), 0.1, 5.0)
    monkeypatch.setattr("autotune.load.worker._generator._ANSWER_GRACE_S", 0.5)
    os.kill(fleet.pids[1], signal.SIGSTOP)
    started = time.monotonic()
    with pytest.raises(LoadGeneratorFailed, match="did not answer"):
        fleet.run(ConstantRate(3000), 0.1, 0.1)
    assert time.monotonic() - started < 10


def test_rate_beyond_all_processes_is_refused_with_the_most_there_is(server):
    target = _target(server.port, batch_size=2)
    check_rate(target, ConstantRate(7400), 3, lambda target: 2500.0)
    check_rate(target, ClosedLoop(10_000), 3, lambda target: 2500.0)
    with pytest.raises(UsageError, match=r"^--rate: this client cannot offer 16,000 inferences/s.* 15,000 \(3 "):
        check_rate(target, ConstantRate(8000), 3, lambda target: 2500.0)


def test_rate_beyond_all_processes_is_offered_as_well_as_they_can(fleet):
    assert fleet.processes_for(ConstantRate(100_000)) == 3


def test_watch_sees_the_requests_of_all_processes_and_stops_them_all(fleet):
    seen = []

    def on_progress(progress: Progress) -> bool:
        seen.append(sum(progress.requests))
        return progress.now_s > 0.4

    started = time.monotonic()
    result = fleet.run(ConstantRate(3000), 20.0, 5.0, Watch((0.01,), on_progress))
    assert time.monotonic() - started < 15
    assert result.stopped
    assert_adds_up(result)
    blocks = sum(seen)
    assert blocks > 3000 * 0.2
    assert blocks <= result.requests


def test_death_of_one_process_ends_the_others_and_the_next_run_has_new_ones(fleet):
    fleet.run(ConstantRate(3000), 0.1, 5.0)
    first, second = fleet.pids
    stopped = False

    def on_progress(progress: Progress) -> bool:
        nonlocal stopped
        if not stopped:
            os.kill(second, signal.SIGKILL)
            stopped = True
        return False

    with pytest.raises(LoadGeneratorFailed, match="process died"):
        fleet.run(ConstantRate(3000), 5.0, 1.0, Watch((0.01,), on_progress))
    assert not psutil.pid_exists(first)
    assert fleet.run(ConstantRate(3000), 0.1, 5.0).processes == 2


def test_calibration_finds_what_a_process_can_send():
    capacity = requests_per_s_of_a_process(_target(1))
    assert 1000 <= capacity <= 1_000_000
