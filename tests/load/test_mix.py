"""Several models share one load: which request goes to which, and that each one's outcome is its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import numpy as np
import pytest
from load_suite import NullServer, payload

from autotune.load import ClosedLoop, ConstantRate, LoadOptions, Mix, PoissonRate, Progress, Schedule, Watch
from autotune.load._socket_generator import SocketGenerator
from autotune.load._target import Target
from autotune.load._transport import Transport
from autotune.load.grpc._request import build_grpc_request
from autotune.load.grpc._transport import GrpcTransport
from autotune.load.http._request import build_http_request
from autotune.load.http._transport import HttpTransport
from autotune.load.worker._fleet import Fleet

_DELAY_S = 0.03
MIX = Mix(weights=(3.0, 1.0), requests=(2, 1), outputs=((), ()))


def test_each_model_of_a_poisson_load_has_poisson_arrivals_of_its_own_rate() -> None:
    schedule = PoissonRate(10_000, seed=3)
    due_s = schedule.arrivals(4.0)
    streams = MIX.turns(schedule, len(due_s)).streams
    for place, rate_per_s in enumerate((7500, 2500)):
        gaps_s = np.diff(due_s[streams == place])
        assert 1 / gaps_s.mean() == pytest.approx(rate_per_s, rel=0.03)
        assert gaps_s.std() / gaps_s.mean() == pytest.approx(1.0, abs=0.05)  # every n-th arrival would have less


def test_each_model_of_a_constant_load_has_even_gaps() -> None:
    schedule = ConstantRate(1000)
    streams = MIX.turns(schedule, 400).streams
    assert np.bincount(streams).tolist() == [300, 100]
    assert set(np.diff(np.flatnonzero(streams == 1))) == {4}


def test_each_model_is_sent_its_own_requests_in_turn() -> None:
    turns = MIX.turns(PoissonRate(1000, seed=1), 200)
    assert set(turns.order[turns.streams == 1]) == {2}
    assert turns.order[turns.streams == 0][:4].tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("schedule", [PoissonRate(900, seed=5), ConstantRate(900)])
def test_processes_together_send_what_one_would(schedule: PoissonRate | ConstantRate) -> None:
    whole = MIX.turns(schedule, 300).streams
    parts = [MIX.turns(schedule.share(index, 3), 100).streams for index in range(3)]
    assert np.stack(parts, axis=1).ravel().tolist() == whole.tolist()


def test_other_windows_draw_another_order() -> None:
    first, second = (MIX.turns(PoissonRate(1000, seed=seed), 300).streams for seed in (1, 2))
    assert first.tolist() != second.tolist()


@pytest.fixture
def server() -> Iterator[NullServer]:
    server = NullServer("null_http_server.py")
    yield server
    server.stop()


@pytest.fixture
def fleet(server: NullServer) -> Iterator[Fleet]:
    """A quick model gets three of four requests, one that takes 30 ms the others; in up to two processes."""
    behaviours = ("ok", f"delay-{_DELAY_S * 1e3:g}")
    requests = tuple(build_http_request(payload(each), "127.0.0.1", server.port) for each in behaviours)
    mix = Mix((3.0, 1.0), (1, 1), ((), ()))
    options = LoadOptions(max_processes=2, one_process_per_s=500)
    fleet = Fleet(Target("http", "127.0.0.1", server.port, requests, options=options, mix=mix), lambda target: 500)
    yield fleet
    fleet.close()


@pytest.mark.parametrize("schedule", [PoissonRate(400, seed=1), PoissonRate(900, seed=1), ClosedLoop(4)])
def test_latencies_belong_to_the_model_that_was_asked(fleet: Fleet, schedule: Schedule) -> None:
    result = fleet.run(schedule, 0.6, 5.0)
    assert result.errors == {}
    assert result.processes == (2 if isinstance(schedule, PoissonRate) and schedule.rate_per_s > 500 else 1)
    quick, slow = result.of_stream(0), result.of_stream(1)
    assert quick.requests + slow.requests == result.requests
    assert slow.requests / result.requests == pytest.approx(0.25, abs=0.15)
    assert slow.latency_s.min() >= 0.9 * _DELAY_S
    assert np.quantile(quick.latency_s, 0.25) < 0.9 * _DELAY_S


@pytest.mark.parametrize("rate_per_s", [400, 900])
def test_progress_counts_each_model_against_its_own_limits(fleet: Fleet, rate_per_s: float) -> None:
    reports: list[Progress] = []

    def on_progress(progress: Progress) -> bool:
        reports.append(progress)
        return False

    # The slow model's limit is the quick one's too; only the slow one's requests are late by it.
    watch = Watch((_DELAY_S / 2, 10 * _DELAY_S), on_progress, streams=(1, 0))
    result = fleet.run(PoissonRate(rate_per_s, seed=1), 0.8, 5.0, watch)
    slow = sum(count for each in reports for count in each.by_stream[1])
    quick = sum(count for each in reports for count in each.by_stream[0])
    assert slow + quick == sum(count for each in reports for count in each.requests)
    assert sum(count for each in reports for count in each.late[0]) == slow > 10
    assert slow <= result.of_stream(1).requests


@pytest.mark.parametrize(("protocol", "transport"), [("http", HttpTransport), ("grpc", GrpcTransport)])
def test_each_model_must_have_its_own_outputs(protocol: str, transport: Callable[[Target], Transport]) -> None:
    """Both answer with as many bytes and without outputs, as only the second should not."""
    server = NullServer(f"null_{protocol}_server.py")
    asked = payload("ok")
    grpc = protocol == "grpc"
    request = build_grpc_request(asked) if grpc else build_http_request(asked, "127.0.0.1", server.port)
    try:
        target = Target(
            protocol, "127.0.0.1", server.port, (request, request), mix=Mix((1.0, 1.0), (1, 1), ((), ("y",)))
        )
        with closing(SocketGenerator(target, transport)) as generator:
            result = generator.run(ClosedLoop(1), 0.2, 5.0)
    finally:
        server.stop()
    assert result.of_stream(0).completed == result.of_stream(0).requests > 0
    assert result.of_stream(1).completed == 0
