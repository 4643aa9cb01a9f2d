import os
import signal
import time

import numpy as np
import psutil
import pytest
from load_suite import NullServer, assert_adds_up, payload

from autotune.errors import UsageError
from autotune.load import (
    ClosedLoop,
    ConstantRate,
    LoadGeneratorFailed,
    LoadOptions,
    LoadResult,
    PoissonRate,
    Progress,
    Watch,
)
from autotune.load._target import Target
from autotune.load.http._request import build_http_request
from autotune.load.worker._calibration import requests_per_s_of_a_process
from autotune.load.worker._fleet import Fleet, check_rate
from autotune.load.worker._generator import WorkerGenerator


@pytest.fixture
def server():
    server = NullServer("null_http_server.py")
    yield server
    server.stop()


_THREE = LoadOptions(max_processes=3)


def _target(port: int, behaviour: str = "ok", batch_size: int = 1) -> Target:
    return Target(
        "http", "127.0.0.1", port, (build_http_request(payload(behaviour), "127.0.0.1", port),), batch_size, _THREE
    )


@pytest.fixture
def fleet(server):
    """Two processes as soon as a rate is above 2,500 requests/s, three at most."""
    fleet = Fleet(_target(server.port), capacity=lambda target: 2500.0)
    yield fleet
    fleet.close()


@pytest.fixture
def slow_fleet(server):
    """Three processes for closed loops, and a server that takes 10 ms for a request."""
    fleet = Fleet(_target(server.port, "delay-10"))
    fleet._closed_loop_processes = 3
    yield fleet, server
    fleet.close()


def test_low_rates_take_one_process(fleet):
    assert fleet.processes_for(ConstantRate(2400)) == 1
    assert fleet.run(ConstantRate(200), 0.1, 1.0).processes == 1
    assert len(fleet.pids) == 1


def test_rate_beyond_one_process_is_split_and_every_request_sent(fleet, server):
    server.reset()
    result = fleet.run(PoissonRate(2600, seed=3), 0.4, 5.0)
    assert_adds_up(result)
    assert result.processes == 2
    assert result.failed == 0
    assert server.counters()["requests"] == result.requests
    assert result.requests == len(PoissonRate(2600, seed=3).arrivals(0.4))


def test_all_processes_are_ready_before_the_first_window_that_needs_them(fleet, monkeypatch):
    fleet.run(ConstantRate(200), 0.1, 1.0)
    calls = []

    def recorded(name):
        method = getattr(WorkerGenerator, name)
        monkeypatch.setattr(WorkerGenerator, name, lambda *args: (calls.append(name), method(*args))[1])

    recorded("wait_ready")
    recorded("begin")
    result = fleet.run(ConstantRate(7000), 0.3, 5.0)
    assert result.processes == 3
    assert result.requests == 2100
    assert calls == ["wait_ready"] * 2 + ["begin"] * 3


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
    check_rate(target, ConstantRate(7400), lambda target: 2500.0)
    check_rate(target, ClosedLoop(10_000), lambda target: 2500.0)
    with pytest.raises(UsageError, match=r"^--rate: this client cannot offer 16,000 inferences/s.* 15,000 \(3 "):
        check_rate(target, ConstantRate(8000), lambda target: 2500.0)


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


def _busy_in(fleet, monkeypatch, part):
    """Runs a closed loop as if it had kept its processes busy for that part of the time."""

    def run(worker, schedule, duration_s, *_):
        return LoadResult(
            schedule, duration_s, duration_s, 1, *[np.ones(1)] * 3, client_cpu_s=part * duration_s * len(fleet.pids)
        )

    with monkeypatch.context() as patch:
        patch.setattr(WorkerGenerator, "run", run)
        patch.setattr(Fleet, "_run_together", lambda self, schedule, processes, *rest: run(self, schedule, *rest))
        fleet.run(ClosedLoop(8), 0.1, 1.0)


def test_closed_loop_takes_more_processes_after_a_window_that_kept_them_busy(fleet, monkeypatch):
    processes = [fleet.processes_for(ClosedLoop(8))]
    for part in (0.6, 0.8, 0.8, 0.8):
        _busy_in(fleet, monkeypatch, part)
        processes.append(fleet.processes_for(ClosedLoop(8)))
    assert processes == [1, 1, 2, 3, 3]
    assert fleet.processes_for(ClosedLoop(2)) == 2


@pytest.mark.parametrize("concurrency", [3, 10])
def test_processes_of_a_closed_loop_keep_exactly_its_concurrency_outstanding_together(slow_fleet, concurrency):
    fleet, server = slow_fleet
    result = fleet.run(ClosedLoop(concurrency), 0.5, 5.0)
    assert_adds_up(result)
    counters = server.counters()
    assert result.processes == 3
    assert result.schedule == ClosedLoop(concurrency)
    assert result.failed == 0
    assert counters["max_outstanding"] == concurrency
    assert counters["requests"] == result.requests > concurrency


@pytest.mark.parametrize(("concurrency", "processes"), [(1, 1), (10, 3), (7, 7), (64, 5)])
def test_shares_of_a_closed_loop_add_up_and_differ_by_at_most_one(concurrency, processes):
    shares = [ClosedLoop(concurrency, 0.001).share(index, processes) for index in range(processes)]
    sizes = [share.concurrency for share in shares]
    assert sum(sizes) == concurrency
    assert max(sizes) - min(sizes) <= 1
    assert {share.client_s for share in shares} == {0.001}
