import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import hpack
import numpy as np
import pytest
from load_suite import LoadGeneratorSuite, assert_adds_up, payload

from autotune.load import ClosedLoop, ConstantRate, create_generator
from autotune.load.grpc import null_server
from autotune.server import Endpoint


class _GrpcSuite(LoadGeneratorSuite):
    protocol = "grpc"
    server_script = "null_grpc_server.py"
    refused_kind = "grpc INVALID_ARGUMENT"
    busy_kind = "grpc UNAVAILABLE"
    gone_kinds: ClassVar[set[str]] = {"reset", "refused"}

    @pytest.mark.parametrize("schedule", [ClosedLoop(4), ConstantRate(50)])
    def test_first_of_several_responses_is_timed_apart_from_the_last(self, server, schedule):
        with self.generator(server.port, "tokens-3", streaming=True) as generator:
            result = generator.run(schedule, 0.3, 5.0)
        assert_adds_up(result)
        assert result.errors == {}
        assert result.responses == 3 * result.requests == 3 * server.counters()["requests"] > 9
        # The server sends one response every 20 ms.
        assert result.first_response_s.shape == result.latency_s.shape
        assert result.first_response_s.min() > 0.019
        assert (result.latency_s - result.first_response_s).min() >= 0
        assert np.median(result.latency_s - result.first_response_s) > 0.03


class TestGrpcInThisProcess(_GrpcSuite):
    in_process = True

    @pytest.mark.parametrize("behaviour", ["ok", "delay-2"])
    def test_connections_are_few_and_reused_between_runs(self, server, behaviour):
        with self.generator(server.port, behaviour) as generator:
            generator.run(ClosedLoop(8), 0.1, 1.0)
            generator.run(ConstantRate(100), 0.1, 1.0)
            assert server.counters()["connections"] == 2

    def test_headers_that_come_again_are_not_decoded_again(self, server, monkeypatch):
        decoded = []
        decode = hpack.Decoder.decode

        def counting(decoder, block, raw=False):
            decoded.append(block)
            return decode(decoder, block, raw)

        monkeypatch.setattr(hpack.Decoder, "decode", counting)
        with self.generator(server.port, "ok") as generator:
            result = generator.run(ClosedLoop(8), 0.3, 5.0)
        assert result.completed > 30
        # On each of two connections: the first head empties the server's table, the next is as all that follow.
        assert len(decoded) == 2 * 3

    def test_unfinished_calls_end_at_the_server_and_are_not_counted_in_the_next_run(self, own_server):
        with self.generator(own_server.port, "delay-300") as generator:
            generator.run(ClosedLoop(2), 0.1, 0.1)
            result = generator.run(ClosedLoop(2), 0.1, 5.0)
        assert result.completed == result.requests == 2
        assert result.latency_s.min() > 0.29

    def test_unary_results_have_no_first_responses(self, server):
        with self.generator(server.port, "ok") as generator:
            result = generator.run(ClosedLoop(2), 0.05, 1.0)
        assert result.first_response_s is None
        assert result.responses == 0

    def test_long_streamed_responses_are_read_completely(self, server):
        with self.generator(server.port, "long-4", streaming=True) as generator:
            result = generator.run(ClosedLoop(2), 0.2, 5.0)
        assert_adds_up(result)
        assert result.errors == {}
        assert result.responses == 4 * result.requests > 0

    def test_stream_without_a_response_is_a_success_without_a_first_response(self, server):
        with self.generator(server.port, "tokens-0", streaming=True) as generator:
            result = generator.run(ConstantRate(50), 0.2, 2.0)
        assert result.completed == result.requests == 10
        assert result.responses == 0
        assert np.isinf(result.first_response_s).all()

    @pytest.mark.parametrize(
        ("behaviour", "example"),
        [
            ("tellerror", "grpc stream error: out of tokens"),
            ("endbadly", "grpc RESOURCE_EXHAUSTED: 100% of the caché is taken"),
        ],
    )
    @pytest.mark.parametrize("schedule", [ClosedLoop(2), ConstantRate(50)])
    def test_error_in_a_stream_fails_the_request(self, server, behaviour, example, schedule):
        with self.generator(server.port, behaviour, streaming=True) as generator:
            result = generator.run(schedule, 0.2, 2.0)
        assert_adds_up(result)
        assert result.completed == 0
        assert result.errors == {example.split(":")[0]: result.requests}
        assert result.error_example == example
        assert np.isinf(result.first_response_s).all()
        assert result.responses == result.requests > 0

    def test_streams_unfinished_at_the_deadline_time_out(self, server):
        with self.generator(server.port, "tokens-100", streaming=True) as generator:
            result = generator.run(ConstantRate(50), 0.1, 1.0)
        assert result.errors == {"timeout": 5}
        assert result.responses > 0
        assert np.isinf(result.first_response_s).all()

    def test_what_a_large_message_waits_for_does_not_keep_small_ones_from_being_counted(self, server):
        payloads = [payload("ok", 1_000_000), payload("ok", 16)]
        generator = create_generator("grpc", Endpoint("127.0.0.1", server.port, server.port), payloads, in_process=True)
        try:
            result = generator.run(ClosedLoop(8), 0.3, 5.0)
        finally:
            generator.close()
        assert_adds_up(result)
        assert result.errors == {}
        assert server.counters()["requests"] == result.requests > 8


class TestGrpcInAWorker(_GrpcSuite):
    in_process = False


def test_client_imports_no_other_grpc():
    script = "import sys, autotune.load.grpc._transport, autotune.load._socket_generator; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert {"grpc", "tritonclient", "google.protobuf"}.isdisjoint(found.split())


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("size", [16, 100_000])
def test_null_server_answers_every_call(streaming, size):
    command = [sys.executable, "-I", str(Path(null_server.__file__))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        port = int(server.stdout.readline())
        suite = _GrpcSuite()
        suite.in_process = True
        try:
            with suite.generator(port, "any", size=size, streaming=streaming) as generator:
                result = generator.run(ClosedLoop(8), 0.1, 5.0)
                again = generator.run(ConstantRate(100), 0.1, 5.0)
        finally:
            server.kill()
    assert result.errors == again.errors == {}
    assert result.requests > 8
    assert again.requests == 10
    assert again.responses == (10 if streaming else 0)
