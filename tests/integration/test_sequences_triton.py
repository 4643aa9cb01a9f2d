"""Sequence models on a real Triton: each sequence gets what its stream says, whoever sent it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from sequence_models import DIRECT, OLDEST, read_sequences, write_sums

import autotune
from autotune.load import ClosedLoop, LoadOptions, Payload, PoissonRate, SequencePlan, Tensor, create_generator
from autotune.server import RunningServer, choose_launcher

_STREAMS = ((1, 2, 3), (10, 20), (100, 200, 300, 400, 500))
_MODELS = {
    "oldest": {"strategy": OLDEST},
    "direct": {"strategy": DIRECT},
    "text": {"strategy": OLDEST, "id_type": "TYPE_STRING"},
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    repository = tmp_path_factory.mktemp("sequences") / "models"
    for name, options in _MODELS.items():
        write_sums(repository, name, **options)
    return repository


@pytest.fixture(scope="module")
def server(repository: Path) -> Iterator[RunningServer]:
    launcher, _ = choose_launcher("embedded")
    first, *others = _MODELS
    with launcher.launch(repository, first, repository.parent / "triton.log", others) as server:
        yield server


def _load(
    server: RunningServer,
    model: str,
    protocol: str,
    schedules,
    options: LoadOptions,
    timeout_s: Sequence[float] = (),
    streams=_STREAMS,
):
    """The results of windows of load, one after the other; each stream is a sequence."""
    payloads = [
        Payload(model, (Tensor("step", "INT32", np.array([[step]], np.int32)),))
        for stream in streams
        for step in stream
    ]
    numbers = iter(range(len(payloads)))
    sequences = SequencePlan(
        tuple(tuple(next(numbers) for _ in stream) for stream in streams), text_ids=model == "text"
    )
    generator = create_generator(protocol, server.endpoint, payloads, options=options, sequences=sequences)
    try:
        return [
            generator.run(schedule, 0.3, limit_s)
            for schedule, limit_s in zip(schedules, timeout_s or [5.0] * len(schedules), strict=True)
        ]
    finally:
        generator.close()


@pytest.mark.parametrize(
    ("model", "protocol"),
    [("oldest", "http"), ("oldest", "grpc"), ("direct", "http"), ("text", "grpc")],
)
def test_two_processes_give_every_sequence_its_own_id_and_its_requests_in_order(server, repository, model, protocol):
    """More sequences at a time than the four slots of the direct strategy: some wait until others have ended."""
    log = repository.parent / f"{model}.log"
    log.write_text("")
    # Every client is too busy for one process
    two = LoadOptions(max_processes=2, one_process_per_s=1, client_busy=1e-6)
    schedules = [ClosedLoop(6), ClosedLoop(6), PoissonRate(300, seed=1)]
    results = _load(server, model, protocol, schedules, two)
    assert [result.processes for result in results] == [1, 2, 2]
    assert [result.errors for result in results] == [{}, {}, {}]
    received = read_sequences(log)
    assert sum(len(each.steps) for each in received.values()) == sum(each.requests + each.endings for each in results)
    assert len({int(who) >> 20 for who in received}) == 2  # one range of ids for each process
    whole = 0
    for who, each in received.items():
        assert each.ended, f"{who} still has its slot"
        assert each.total == sum(each.steps)
        assert any(each.steps == stream[: len(each.steps)] for stream in _STREAMS)
        whole += each.steps in _STREAMS
    assert whole > len(received) / 2


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_an_overload_leaves_no_slot_occupied(server, protocol):
    """Of requests that are given up Triton 2.51 executes those over HTTP, and cancels those over gRPC with their
    sequences. Either way the next window has the slots, 20 s before idle sequences would lose them.
    """
    overload, gentle = ClosedLoop(100), PoissonRate(50, seed=2)
    before = server.statistics("direct")
    results = _load(server, "direct", protocol, [overload, gentle], LoadOptions(), timeout_s=(0.02, 5.0))
    assert results[0].errors["timeout"] > 4
    assert results[1].errors == {}
    assert (server.statistics("direct") - before).success_count >= results[0].completed + results[1].completed


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_sequence_that_fails_leaves_no_slot_occupied(server, protocol):
    """Its id begins a sequence anew, for which Triton ends the old one: none waits for a slot, or goes on too late."""
    failing, fine = ((1, -1, 2),), _STREAMS
    (result,) = _load(server, "direct", protocol, [ClosedLoop(4)], LoadOptions(), streams=failing)
    assert 0 < result.failed == sum(result.errors.values()) < result.requests
    assert len(result.errors) == 1
    assert "steps are not negative" in result.error_example
    (result,) = _load(server, "direct", protocol, [ClosedLoop(4)], LoadOptions(), streams=fine)
    assert result.errors == {}
    assert result.percentile_s(1.0) < 1.0


def test_slots_without_a_request_are_no_part_of_the_mean_batch(server):
    """Triton 2.51 runs the direct strategy's empty slots with the others, and counts them in batch_stats."""
    before = server.statistics("direct")
    (result,) = _load(server, "direct", "http", [ClosedLoop(2)], LoadOptions())
    sent = result.requests + result.endings
    deadline = time.monotonic() + 2.0
    while (window := server.statistics("direct") - before).success_count < sent and time.monotonic() < deadline:
        time.sleep(0.01)  # Triton counts a request after it has answered it
    assert window.inference_count == sent
    assert sum(size * count for size, count in window.batch_executions.items()) > sent
    assert window.mean_batch_size == pytest.approx(sent / window.execution_count)


def test_measure_sends_the_streams_of_a_file_as_sequences(tmp_path):
    log = write_sums(tmp_path / "models", strategy=DIRECT)
    data = tmp_path / "streams.json"
    data.write_text(json.dumps({"data": [[{"step": [step]} for step in stream] for stream in _STREAMS]}))
    measured = autotune.measure(
        tmp_path / "models",
        launch="embedded",
        concurrency="6",
        duration="500ms",
        input_data=str(data),
        results=tmp_path / "results",
    )
    assert [probe.errors for probe in measured.probes] == [{}] * len(measured.probes)
    received = read_sequences(log).values()
    assert all(each.ended and each.total == sum(each.steps) for each in received)
    assert {each.steps for each in received} >= set(_STREAMS)
    assert max(probe.server.mean_batch_size for probe in measured.probes) <= 4
