"""The gRPC client against a server that follows a script: connections that end, refuse and hold back."""

import socket
import time
from contextlib import closing

import numpy as np
import pytest
from http2_frames import (
    DATA,
    HEADERS,
    SETTINGS,
    WINDOW_UPDATE,
    answer,
    frame,
    goaway,
    greeting,
    reset,
    scripted_server,
    settings,
    widen,
)
from load_suite import SLACK_S, assert_adds_up, payload

from autotune.load import ClosedLoop, ConstantRate, LoadOptions, Watch, create_generator
from autotune.load._generators import generator_in_this_process
from autotune.load._target import Target
from autotune.load.grpc import _connections
from autotune.load.grpc._session import Session
from autotune.server import Endpoint

_SCHEDULES = [ClosedLoop(4), ConstantRate(200)]


@pytest.fixture
def generator_of():
    """Makes a generator for a port; closed after the test."""
    made = []

    def make(port, size=16, **options):
        endpoint = Endpoint("127.0.0.1", port, port)
        made.append(
            create_generator("grpc", endpoint, payload("m", size), options=LoadOptions(**options), in_process=True)
        )
        return made[-1]

    yield make
    for generator in made:
        generator.close()


def _answer_all(client, _number):
    client.send(greeting())
    for stream in client.calls():
        client.send(answer(stream))


def _wait_until(condition):
    deadline = time.monotonic() + SLACK_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def _run(generator, schedule, duration_s=0.25, timeout_s=5.0):
    started = time.monotonic()
    result = generator.run(schedule, duration_s, timeout_s)
    assert time.monotonic() - started < duration_s + timeout_s + SLACK_S
    assert_adds_up(result)
    return result


@pytest.mark.parametrize("schedule", _SCHEDULES)
def test_server_that_closes_after_some_calls_is_reconnected_to(generator_of, schedule):
    def script(client, _):
        client.send(greeting())
        for count, stream in enumerate(client.calls()):
            if count == 10:
                return
            client.send(answer(stream))

    with scripted_server(script) as server:
        result = _run(generator_of(server.port), schedule)
        assert server.connections > 2
    assert set(result.errors) == {"reset"}
    assert "closed the connection" in result.error_example or "ECONNRESET" in result.error_example
    assert result.completed >= 10


@pytest.mark.parametrize("schedule", _SCHEDULES)
def test_server_that_goes_away_politely_costs_no_call(generator_of, schedule):
    def script(client, _):
        client.send(greeting())
        for count, stream in enumerate(client.calls()):
            client.send(answer(stream))
            if count == 5:
                client.send(goaway(2**31 - 1))  # and goes on to serve what had begun

    with scripted_server(script) as server:
        result = _run(generator_of(server.port), schedule)
        assert server.connections > 2
    assert result.errors == {}
    assert result.completed > 20


@pytest.mark.parametrize("schedule", _SCHEDULES)
def test_running_out_of_stream_numbers_costs_no_call(generator_of, schedule, monkeypatch):
    def near_the_end(*args, **kwargs):
        session = Session(*args, **kwargs)
        session._next = 2**31 - 11
        return session

    monkeypatch.setattr(_connections, "Session", near_the_end)
    with scripted_server(_answer_all) as server:
        result = _run(generator_of(server.port), schedule)
        assert server.connections > 2
    assert result.errors == {}
    assert result.completed > 20


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "bad response"),
        (settings() + reset(1, 2), "http2 INTERNAL_ERROR"),
        (settings() + goaway(0, 2), "reset"),
    ],
    ids=["http 1", "reset", "going away"],
)
@pytest.mark.parametrize("schedule", _SCHEDULES)
def test_broken_server_is_counted_by_kind_and_not_hammered(generator_of, schedule, reply, kind):
    def script(client, _):
        calls = client.calls()
        next(calls)
        client.send(reply)
        for stream in calls:
            client.send(reset(stream, 2))

    with scripted_server(script) as server:
        result = _run(generator_of(server.port), schedule)
    assert result.completed == 0
    assert set(result.errors) == {kind}
    assert result.error_example.startswith(f"{kind}: ")
    # In closed loop four slots rest 10 ms after each failure.
    assert result.requests <= 4 * 26


@pytest.mark.parametrize("schedule", _SCHEDULES)
def test_server_that_accepts_and_says_nothing_times_out_at_the_deadline(generator_of, schedule):
    def script(client, _):
        for _ in client.frames():
            pass

    with scripted_server(script) as server:
        result = _run(generator_of(server.port), schedule, 0.1, 0.2)
    assert result.errors == {"timeout": result.requests}
    assert result.elapsed_s >= 0.3


def test_late_answers_are_not_counted_in_the_next_run(generator_of):
    def script(client, _):
        client.send(greeting())
        for stream in client.calls():
            time.sleep(0.2)
            client.send(answer(stream))

    with scripted_server(script) as server:
        generator = generator_of(server.port)
        first = _run(generator, ClosedLoop(1), 0.05, 0.05)
        again = _run(generator, ClosedLoop(1), 0.05, 5.0)
    assert first.errors == {"timeout": 1}
    assert again.completed == 1
    assert again.latency_s[0] >= 0.2


def test_connection_that_ended_while_idle_is_replaced_without_an_error(generator_of):
    def script(client, _):
        client.send(greeting())
        for stream in client.calls():
            client.send(answer(stream))
            return

    with scripted_server(script) as server:
        generator = generator_of(server.port)
        for run in range(3):
            result = _run(generator, ConstantRate(1), 0.001)
            assert result.completed == result.requests == 1
            assert server.connections == run + 1
            _wait_until(lambda closed=run + 1: server.closed == closed)
            time.sleep(0.01)  # the news is on its way


def test_idle_connection_answers_what_it_was_asked_meanwhile(generator_of):
    pinged = []

    def script(client, _):
        client.send(greeting())
        frames = client.frames()
        for found in frames:
            if found.ends:
                client.send(answer(found.stream) + frame(6, 0, 0, b"are u in"))
            if found.kind == 6:
                pinged.append(found)

    with scripted_server(script) as server:
        generator = generator_of(server.port)
        _run(generator, ConstantRate(1), 0.001)
        time.sleep(0.05)
        _run(generator, ConstantRate(1), 0.001)
        _wait_until(lambda: pinged)
    assert pinged[0].payload == b"are u in"
    assert pinged[0].flags == 1


@pytest.mark.parametrize("schedule", [ClosedLoop(2), ConstantRate(20)])
def test_large_message_gets_through_small_windows(generator_of, schedule):
    def script(client, _):
        client.send(settings(window=5000))
        received = {}
        for found in client.frames():
            if found.kind == DATA and found.payload:
                assert len(found.payload) <= 16384
                received[found.stream] = received.get(found.stream, b"") + found.payload
                client.send(widen(0, len(found.payload)) + widen(found.stream, len(found.payload)))
            if found.ends:
                whole = received.pop(found.stream)
                assert len(whole) == 5 + int.from_bytes(whole[1:5], "big") > 400_000
                client.send(answer(found.stream))

    with scripted_server(script) as server:
        result = _run(generator_of(server.port, size=100_000), schedule, 0.1, 10.0)
    assert result.errors == {}
    assert result.completed >= 2


@pytest.mark.parametrize("calls", [1, 2000])
def test_server_that_reads_slowly_gets_every_byte(calls):
    """The socket is full for a while: what is left is sent when it takes more."""
    request = np.random.default_rng(0).bytes(8_000_000 // calls)
    received = {}

    def script(client, number):
        client.send(greeting(window=2**31 - 1, frame=2**24 - 1))
        time.sleep(0.2)
        for found in client.frames():
            if found.kind == DATA:
                received[number, found.stream] = received.get((number, found.stream), b"") + found.payload
            if found.ends:
                client.send(answer(found.stream))

    with scripted_server(script) as server:
        target = Target("grpc", "127.0.0.1", server.port, (request,), options=LoadOptions(max_connections=calls))
        with closing(generator_in_this_process(target)) as generator:
            # Once for the server's settings, which say how much it takes.
            assert _run(generator, ConstantRate(1000), 0.002, 10.0).errors == {}
            result = _run(generator, ConstantRate(calls * 50), 0.02, 10.0)
    assert result.errors == {}
    assert result.completed == calls
    assert set(received.values()) == {b"\0" + len(request).to_bytes(4, "big") + request}


def test_run_that_was_interrupted_leaves_nothing_for_the_next(generator_of):
    def script(client, _):
        client.send(greeting())
        for stream in client.calls():
            time.sleep(0.3)
            client.send(answer(stream))

    def interrupt(_progress):
        raise KeyboardInterrupt

    with scripted_server(script) as server:
        generator = generator_of(server.port)
        with pytest.raises(KeyboardInterrupt):
            generator.run(ClosedLoop(1), 1.0, 1.0, Watch((1.0,), interrupt))
        result = _run(generator, ClosedLoop(1), 0.05, 5.0)
    assert result.completed == result.requests == 1
    assert result.latency_s[0] >= 0.3


def test_waiting_for_a_stream_is_not_the_clients_lateness(generator_of):
    begun, most = set(), []

    def script(client, number):
        client.send(greeting(streams=1))
        for found in client.frames():
            if found.kind == HEADERS:
                begun.add((number, found.stream))
                most.append(len(begun))
            if found.ends:
                time.sleep(0.05)
                begun.discard((number, found.stream))
                client.send(answer(found.stream))

    with scripted_server(script) as server:
        generator = generator_of(server.port)
        _run(generator, ConstantRate(100), 0.02)  # the server's settings are known from here on
        result = _run(generator, ConstantRate(100), 0.3, 10.0)
        assert server.connections == 2
    assert result.errors == {}
    assert result.completed == 30
    assert max(most) == 2
    assert result.latency_s[-1] > 0.3  # 30 requests, two at a time, 50 ms each
    assert np.quantile(result.lateness_s, 0.5) < 0.03


def test_closed_loop_uses_the_streams_there_are(generator_of):
    def script(client, _):
        client.send(greeting(streams=1))
        for stream in client.calls():
            client.send(answer(stream))

    with scripted_server(script) as server:
        generator = generator_of(server.port)
        _run(generator, ClosedLoop(2), 0.02)
        result = _run(generator, ClosedLoop(8), 0.2)
    assert result.errors == {}
    assert result.completed > 10
    assert not result.lateness_s.any()


def test_address_that_answers_is_found_among_several(generator_of, monkeypatch):
    with scripted_server(_answer_all) as server:
        answers = socket.getaddrinfo("127.0.0.2", server.port, type=socket.SOCK_STREAM)
        answers += socket.getaddrinfo("127.0.0.1", server.port, type=socket.SOCK_STREAM)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
        result = _run(generator_of(server.port), ClosedLoop(2), 0.1)
    assert result.errors == {}
    assert result.completed > 0


def test_greeting_comes_before_the_first_call(generator_of):
    kinds = []

    def script(client, _):
        client.send(greeting())
        for found in client.frames():
            kinds.append(found.kind)
            if found.ends:
                client.send(answer(found.stream))

    with scripted_server(script) as server:
        _run(generator_of(server.port), ConstantRate(1), 0.001)
    assert kinds[:4] == [SETTINGS, WINDOW_UPDATE, HEADERS, DATA]
