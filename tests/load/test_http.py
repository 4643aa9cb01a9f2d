import socket
import time
from typing import ClassVar

import pytest
from load_suite import LoadGeneratorSuite, assert_adds_up

from autotune.load import ClosedLoop, ConstantRate


class _HttpSuite(LoadGeneratorSuite):
    protocol = "http"
    server_script = "null_http_server.py"
    refused_kind = "http 400"
    busy_kind = "http 503"
    gone_kinds: ClassVar[set[str]] = {"reset", "refused"}


class TestHttpInThisProcess(_HttpSuite):
    in_process = True

    @pytest.mark.parametrize("behaviour", ["split", "continue", "chunked", "large", "untilclose", "closing"])
    @pytest.mark.parametrize("schedule", [ClosedLoop(2), ConstantRate(60)])
    def test_response_is_understood_however_it_arrives(self, server, behaviour, schedule):
        with self.generator(server.port, behaviour) as generator:
            result = generator.run(schedule, 0.25, 2.0)
        assert_adds_up(result)
        assert result.errors == {}
        assert result.completed == server.counters()["requests"] > 4

    @pytest.mark.parametrize(
        ("behaviour", "kind"),
        [
            ("reset", "reset"),
            ("half", "reset"),
            ("garbage", "bad response"),
            ("badlength", "bad response"),
            ("extra", "bad response"),
        ],
    )
    @pytest.mark.parametrize("schedule", [ClosedLoop(2), ConstantRate(60)])
    def test_broken_response_is_counted_by_kind(self, server, behaviour, kind, schedule):
        with self.generator(server.port, behaviour) as generator:
            result = generator.run(schedule, 0.25, 2.0)
        assert_adds_up(result)
        assert result.completed == 0
        assert set(result.errors) == {kind}
        assert result.error_example.startswith(f"{kind}: ")

    def test_connection_closed_while_idle_is_replaced_without_an_error(self, server):
        with self.generator(server.port, "closeafter-3") as generator:
            result = generator.run(ConstantRate(60), 0.25, 1.0)
            time.sleep(0.05)  # the end of the last connection is on its way
            again = generator.run(ConstantRate(60), 0.25, 1.0)
        assert result.errors == again.errors == {}
        assert server.counters()["connections"] == 10

    def test_address_that_answers_is_found_among_several(self, server, monkeypatch):
        answers = socket.getaddrinfo("127.0.0.2", server.port, type=socket.SOCK_STREAM)
        answers += socket.getaddrinfo("127.0.0.1", server.port, type=socket.SOCK_STREAM)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
        with self.generator(server.port, "ok") as generator:
            result = generator.run(ClosedLoop(2), 0.1, 1.0)
        assert result.errors == {}
        assert result.completed > 0

    def test_connections_are_kept_alive_and_reused_between_runs(self, server):
        with self.generator(server.port, "ok") as generator:
            generator.run(ClosedLoop(4), 0.1, 1.0)
            generator.run(ClosedLoop(4), 0.1, 1.0)
        assert server.counters()["connections"] == 4

    def test_unfinished_connections_are_not_reused(self, server):
        with self.generator(server.port, "delay-300") as generator:
            generator.run(ClosedLoop(2), 0.1, 0.1)
            result = generator.run(ClosedLoop(2), 0.1, 1.0)
        assert result.completed == 2
        assert result.latency_s.min() > 0.29
        assert server.counters()["connections"] == 4


class TestHttpInAWorker(_HttpSuite):
    in_process = False
