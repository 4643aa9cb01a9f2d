"""What every load generator must do, whatever its protocol and wherever it runs.

A test module subclasses `LoadGeneratorSuite` and names the protocol, the server script and the process.
"""

import gc
import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from autotune.load import (
    ClosedLoop,
    ConstantRate,
    LoadGenerator,
    LoadOptions,
    LoadResult,
    Payload,
    PoissonRate,
    Progress,
    Tensor,
    Watch,
    create_generator,
)
from autotune.server import Endpoint

_TESTS = Path(__file__).parent
SLACK_S = 5.0  # what a busy machine may add before a run counts as hanging


class NullServer:
    """A null server in a process of its own."""

    def __init__(self, script: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(_TESTS / script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port = int(self._process.stdout.readline())

    def counters(self) -> dict[str, int]:
        return self._ask("count")

    def reset(self) -> None:
        self._ask("reset")

    def _ask(self, question: str) -> dict[str, int]:
        self._process.stdin.write(f"{question}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


def payload(behaviour: str, size: int = 64, batch_size: int = 1) -> Payload:
    return Payload(behaviour, (Tensor("x", "FP32", np.zeros((batch_size, size), np.float32)),), batch_size)


def assert_adds_up(result: LoadResult) -> None:
    assert result.completed + sum(result.errors.values()) == result.requests
    assert len(result.scheduled_s) == len(result.latency_s) == len(result.lateness_s)
    assert np.all(result.latency_s > 0)
    assert np.all(result.lateness_s >= 0)
    assert np.all(np.diff(result.scheduled_s) >= 0)
    assert bool(result.errors) == bool(result.error_example)


class LoadGeneratorSuite:
    protocol: ClassVar[str]
    server_script: ClassVar[str]
    in_process: ClassVar[bool]
    refused_kind: ClassVar[str]
    busy_kind: ClassVar[str]
    gone_kinds: ClassVar[set[str]]

    @pytest.fixture(scope="class")
    @classmethod
    def shared_server(cls) -> Iterator[NullServer]:
        server = NullServer(cls.server_script)
        yield server
        server.stop()

    @pytest.fixture
    def server(self, shared_server) -> NullServer:
        shared_server.reset()
        return shared_server

    @pytest.fixture
    def own_server(self) -> Iterator[NullServer]:
        """One that may die, and that no requests of an earlier test can still reach."""
        server = NullServer(self.server_script)
        yield server
        server.stop()

    @contextmanager
    def generator(self, port: int, behaviour: str, size: int = 64, **options: int) -> Iterator[LoadGenerator]:
        generator = create_generator(
            self.protocol,
            Endpoint("127.0.0.1", port, port),
            payload(behaviour, size),
            options=LoadOptions(**options),
            in_process=self.in_process,
        )
        try:
            yield generator
        finally:
            generator.close()

    def test_constant_rate_sends_every_request_on_schedule(self, server):
        with self.generator(server.port, "ok") as generator:
            result = generator.run(ConstantRate(200), 0.5, 1.0)
        assert_adds_up(result)
        assert result.requests == result.completed == server.counters()["requests"] == 100
        assert result.scheduled_s == pytest.approx(np.arange(100) / 200)
        # On a busy machine some are late. Never on time would be a wait that is too coarse, a late quarter a
        # generator that falls behind with every request.
        assert result.lateness_s.min() < 0.002
        assert np.quantile(result.lateness_s, 0.25) < 0.02
        assert 0.49 < result.elapsed_s < 1.5 + SLACK_S
        assert 0 < result.client_cpu_s < result.elapsed_s * 3

    def test_poisson_schedule_is_the_drawn_one(self, server):
        with self.generator(server.port, "ok") as generator:
            result = generator.run(PoissonRate(300, seed=7), 0.4, 1.0)
        assert_adds_up(result)
        np.testing.assert_array_equal(result.scheduled_s, PoissonRate(300, seed=7).arrivals(0.4))
        assert result.completed == server.counters()["requests"] == result.requests

    def test_latency_is_what_the_server_takes(self, server):
        with self.generator(server.port, "delay-30") as generator:
            result = generator.run(ConstantRate(100), 0.3, 1.0)
        assert_adds_up(result)
        assert result.latency_s.min() > 0.029
        # The quickest saw little but the server; 60 ms would be waiting twice.
        assert result.latency_s.min() < 0.055

    @pytest.mark.parametrize("concurrency", [1, 8])
    def test_closed_loop_keeps_exactly_that_many_outstanding(self, server, concurrency):
        with self.generator(server.port, "delay-10") as generator:
            result = generator.run(ClosedLoop(concurrency), 0.4, 1.0)
        assert_adds_up(result)
        counters = server.counters()
        assert counters["max_outstanding"] == concurrency
        assert counters["outstanding"] == 0
        assert result.requests == result.completed == counters["requests"]
        # 40 rounds of 10 ms fit into the window.
        assert result.requests > 10 * concurrency
        assert result.scheduled_s[-1] < 0.4
        assert not result.lateness_s.any()

    def test_clients_of_a_closed_loop_think_after_each_answer(self, server):
        with self.generator(server.port, "ok") as generator:
            result = generator.run(ClosedLoop(8, client_s=0.02), 0.5, 1.0)
        assert_adds_up(result)
        assert result.failed == 0
        assert server.counters()["max_outstanding"] <= 8
        # The first eight are sent at once. From then on the k-th request follows the k-th answer.
        answered_s = np.sort(result.scheduled_s + result.latency_s)
        followed_s = result.scheduled_s[8:]
        assert len(followed_s)
        assert (followed_s - answered_s[: len(followed_s)]).min() >= 0.02 - 1e-9

    def test_clients_of_a_closed_loop_begin_one_after_the_other(self, server):
        with self.generator(server.port, "delay-300") as generator:
            result = generator.run(ClosedLoop(4, spread_s=0.2), 0.5, 1.0)
        assert_adds_up(result)
        began_s = np.sort(result.scheduled_s)[:4]
        if self.in_process:  # several processes begin over the same seconds, each with its own clients
            assert began_s == pytest.approx([0.0, 0.05, 0.1, 0.15], abs=0.04)
        assert server.counters()["max_outstanding"] == 4

    def test_clients_of_a_closed_loop_think_after_a_refusal_too(self, server):
        with self.generator(server.port, "refuse") as generator:
            result = generator.run(ClosedLoop(8, client_s=0.05), 0.3, 1.0)
        assert_adds_up(result)
        assert 8 < result.requests <= 8 * 6

    def test_stall_shows_in_every_request_scheduled_during_it(self, server):
        with self.generator(server.port, "hiccup") as generator:
            result = generator.run(ConstantRate(500), 0.8, 1.0)
        assert_adds_up(result)
        assert result.failed == 0
        # The server stalls at the 100th request, for 0.2 s from its arrival at the earliest. Whatever is scheduled
        # from then on waits for what is left of the stall, counted from its schedule however late it was sent.
        stalled = 99
        stall_began_s = result.scheduled_s[stalled] + result.lateness_s[stalled]
        remaining_s = stall_began_s + 0.2 - result.scheduled_s
        during = slice(stalled, stalled + 95)
        beyond_s = (result.latency_s - np.maximum(remaining_s, result.lateness_s))[during]
        assert beyond_s.min() > -0.02
        assert np.median(beyond_s) < 0.1

    def test_refusals_are_counted_by_kind_with_an_example(self, server):
        with self.generator(server.port, "refuse") as generator:
            result = generator.run(ConstantRate(100), 0.2, 1.0)
        assert_adds_up(result)
        assert result.errors == {self.refused_kind: 20}
        assert "unexpected shape for input 'x'" in result.error_example
        assert math.isinf(result.percentile_s(0.5))

    def test_some_failures_leave_the_others_alone(self, server):
        with self.generator(server.port, "sometimes") as generator:
            result = generator.run(ConstantRate(200), 0.2, 1.0)
        assert_adds_up(result)
        assert result.errors == {self.busy_kind: 10}
        assert result.completed == 30
        assert math.isfinite(result.percentile_s(0.5))

    @pytest.mark.parametrize("schedule", [ConstantRate(100), ClosedLoop(4)])
    def test_server_that_never_answers_times_out_at_the_deadline(self, server, schedule):
        with self.generator(server.port, "stall") as generator:
            generator_ready(generator)
            started = time.monotonic()
            result = generator.run(schedule, 0.3, 0.4)
            took_s = time.monotonic() - started
        assert_adds_up(result)
        assert result.errors == {"timeout": 30 if isinstance(schedule, ConstantRate) else 4}
        assert took_s < 0.7 + SLACK_S
        assert 0.65 < result.elapsed_s < 0.7 + SLACK_S

    @pytest.mark.parametrize("schedule", [ConstantRate(400), ClosedLoop(4)])
    def test_server_death_in_mid_run_is_counted_and_survived(self, own_server, schedule):
        with self.generator(own_server.port, "die-30") as generator:
            generator_ready(generator)
            started = time.monotonic()
            result = generator.run(schedule, 0.5, 0.5)
            took_s = time.monotonic() - started
        assert_adds_up(result)
        assert 0 < result.completed < 30
        assert result.failed > 5
        assert set(result.errors) <= self.gone_kinds
        assert took_s < 1.0 + SLACK_S

    def test_closed_loop_does_not_hammer_a_dead_server(self, own_server):
        own_server.stop()
        with self.generator(own_server.port, "ok") as generator:
            result = generator.run(ClosedLoop(2), 0.3, 0.3)
        assert_adds_up(result)
        # Each of the two slots rests 10 ms after a failure.
        assert 2 <= result.failed == result.requests <= 70
        assert result.client_cpu_s < 0.25

    def test_runs_again_after_a_run_that_failed(self, server):
        with self.generator(server.port, "stall") as generator:
            generator.run(ClosedLoop(2), 0.1, 0.1)
            again = generator.run(ClosedLoop(3), 0.1, 0.1)
        assert again.errors == {"timeout": 3}

    def test_watch_receives_every_block_and_its_late_requests(self, server):
        told: list[Progress] = []

        def on_progress(progress: Progress) -> bool:
            told.append(progress)
            return False

        with self.generator(server.port, "delay-30") as generator:
            result = generator.run(ConstantRate(200), 0.6, 2.0, Watch((0.02, 1.0), on_progress))
        assert_adds_up(result)
        assert not result.stopped
        # With a limit of a second no block is definite within the window; 10 requests a block.
        assert sum(sum(progress.requests) for progress in told) == 0
        assert max(progress.pending for progress in told) >= 4
        told.clear()
        with self.generator(server.port, "delay-30") as generator:
            generator.run(ConstantRate(200), 0.6, 2.0, Watch((0.02, 0.1), on_progress))
        blocks = [count for progress in told for count in progress.requests]
        assert blocks
        assert all(9 <= count <= 11 for count in blocks)
        assert [count for progress in told for count in progress.late[0]] == blocks
        assert all(len(progress.late) == 2 for progress in told)

    def test_watch_ends_the_window_and_what_is_outstanding_is_awaited(self, server):
        with self.generator(server.port, "delay-30") as generator:
            result = generator.run(ConstantRate(200), 5.0, 2.0, Watch((0.02,), lambda progress: progress.now_s > 0.2))
        assert_adds_up(result)
        assert result.stopped
        assert result.duration_s < 5.0
        assert result.scheduled_s.max() <= result.duration_s
        assert result.failed == 0

    def test_watch_ends_a_closed_loop_too(self, server):
        with self.generator(server.port, "delay-10") as generator:
            result = generator.run(ClosedLoop(2), 20.0, 2.0, Watch((0.02,), lambda progress: progress.now_s > 0.2))
        assert_adds_up(result)
        assert result.stopped
        assert result.duration_s < 20.0
        assert result.failed == 0

    @pytest.mark.parametrize("schedule", [ConstantRate(100), ClosedLoop(2)])
    def test_watch_that_fires_after_the_windows_end_does_not_lengthen_it(self, server, schedule):
        watch = Watch((0.02,), lambda progress: progress.now_s > 0.3)
        with self.generator(server.port, "delay-400") as generator:
            result = generator.run(schedule, 0.2, 2.0 + SLACK_S, watch)
        assert_adds_up(result)
        assert result.stopped
        assert result.duration_s == 0.2
        assert result.failed == 0

    def test_waiting_for_the_server_is_not_the_clients_lateness(self, server):
        with self.generator(server.port, "delay-100", max_connections=2) as generator:
            result = generator.run(ConstantRate(100), 0.5, 10.0)
        assert_adds_up(result)
        assert result.latency_s[-1] > 0.5  # 50 requests, two at a time, 100 ms each
        assert np.quantile(result.lateness_s, 0.5) < 0.05

    def test_payloads_of_a_mix_are_sent_in_turn(self, server):
        payloads = [payload("ok", 16), payload("ok", 64)]
        generator = create_generator(
            self.protocol, Endpoint("127.0.0.1", server.port, server.port), payloads, in_process=self.in_process
        )
        try:
            result = generator.run(ConstantRate(200), 0.2, 2.0)
        finally:
            generator.close()
        assert result.failed == 0
        assert server.counters()["requests"] == 40
        assert server.counters()["bytes"] >= 20 * 4 * (16 + 64)

    def test_requests_wait_for_a_connection_while_their_latency_runs(self, own_server):
        with self.generator(own_server.port, "delay-20", max_connections=2) as generator:
            result = generator.run(ConstantRate(200), 0.2, 2.0 + SLACK_S)
        assert_adds_up(result)
        assert result.failed == 0
        assert own_server.counters()["max_outstanding"] == 2
        # 40 requests, two at a time, 20 ms each.
        assert result.elapsed_s > 0.38
        assert result.latency_s[-1] > 0.15

    def test_large_messages_pass_in_both_directions(self, server):
        with self.generator(server.port, "large", size=1_000_000) as generator:
            result = generator.run(ClosedLoop(2), 0.3, 5.0)
        assert_adds_up(result)
        assert result.failed == 0
        assert server.counters()["bytes"] >= result.requests * 4_000_000

    def test_garbage_collection_is_as_before(self, server):
        with self.generator(server.port, "ok") as generator:
            generator.run(ClosedLoop(1), 0.05, 1.0)
        assert gc.isenabled()

    def test_closing_twice_is_harmless(self, server):
        with self.generator(server.port, "ok") as generator:
            generator.run(ClosedLoop(1), 0.05, 1.0)
            generator.close()


def generator_ready(generator: LoadGenerator) -> None:
    """Waits for a worker's start, so that it does not count in what follows: a window of one request."""
    generator.run(ConstantRate(1e-3), 1e-6, 0.0)
