"""Triton's statistics as this package reads them, for every kind of model, on the embedded Triton."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_models import write_model

from autotune.load import ClosedLoop, ConstantRate, LoadGenerator, Schedule, Traffic, generator_for, make_payloads
from autotune.measurement import Breakdown, Probe, breakdown, run_probe
from autotune.server import EmbeddedLauncher
from autotune.server._readiness import ReadyServer

TENSORS = 'input { name: "x" data_type: TYPE_FP32 dims: [ 4 ] } output { name: "y" data_type: TYPE_FP32 dims: [ 4 ] }'
ANSWER = 'pb_utils.InferenceResponse([pb_utils.Tensor("y", pb_utils.get_input_tensor_by_name(r, "x").as_numpy())])'


def python_model(repository: Path, name: str, body: str, extra: str = "") -> None:
    source = f"import time\nimport triton_python_backend_utils as pb_utils\nclass TritonPythonModel:\n{body}"
    config = f'backend: "python" max_batch_size: 4 {TENSORS} instance_group {{ count: 1 kind: KIND_CPU }} {extra}'
    write_model(repository, name, config, source)


def sleeps(seconds: float) -> str:
    return f"""
    def execute(self, requests):
        time.sleep({seconds})
        return [{ANSWER} for r in requests]
"""


STREAMS = f"""
    def execute(self, requests):
        for r in requests:
            sender = r.get_response_sender()
            for _ in range(3):
                time.sleep(0.003)
                sender.send({ANSWER})
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""
RAISES = """
    def execute(self, requests):
        time.sleep(0.004)
        raise ValueError("no")
"""
BATCHER = "dynamic_batching { max_queue_delay_microseconds: 1000 }"


def ensemble(repository: Path, name: str, *steps: tuple[str, str, str], extra: str = "") -> None:
    written = ", ".join(
        f'{{ model_name: "{model}" model_version: -1 input_map {{ key: "x" value: "{x}" }}'
        f' output_map {{ key: "y" value: "{y}" }} }}'
        for model, x, y in steps
    )
    config = f'platform: "ensemble" max_batch_size: 4 {TENSORS} {extra} ensemble_scheduling {{ step [ {written} ] }}'
    (write_model(repository, name, config) / "1").mkdir(exist_ok=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReadyServer]:
    repository = tmp_path_factory.mktemp("models")
    python_model(repository, "plain", sleeps(0.005))
    python_model(repository, "batched", sleeps(0.005), BATCHER)
    python_model(repository, "quick", sleeps(0.002), BATCHER)
    python_model(repository, "slow", sleeps(0.015))
    python_model(repository, "streams", STREAMS, f"{BATCHER} model_transaction_policy {{ decoupled: true }}")
    python_model(repository, "raises", RAISES, BATCHER)
    python_model(repository, "fresh", sleeps(0.001))
    ensemble(repository, "inner", ("quick", "x", "between"), ("slow", "between", "y"))
    ensemble(repository, "pipeline", ("batched", "x", "pixels"), ("inner", "pixels", "y"))
    second = 'output { name: "z" data_type: TYPE_FP32 dims: [ 4 ] }'
    ensemble(repository, "sides", ("quick", "x", "y"), ("slow", "x", "z"), extra=second)
    log_path = tmp_path_factory.mktemp("logs") / "server.log"
    with EmbeddedLauncher().launch(repository, "plain", log_path) as running:
        assert isinstance(running, ReadyServer)
        yield replace(running, processes=None)  # models are loaded again here, which ends their processes


@contextmanager
def windows(server: ReadyServer, model: str, traffic: Traffic) -> Iterator[tuple[ReadyServer, LoadGenerator]]:
    """A generator for another model of the same server."""
    server.control.load(model)
    other = replace(server, model=model)
    generator = generator_for(
        traffic, other.endpoint, make_payloads(model, other.model_metadata(), other.model_config(), traffic)
    )
    try:
        yield other, generator
    finally:
        generator.close()


def offered(
    server: ReadyServer,
    model: str,
    *loads: tuple[Schedule, float],
    traffic: Traffic | None = None,
    timeout_s: float = 5.0,
) -> list[Probe]:
    """One window for each load and its seconds."""
    with windows(server, model, traffic or Traffic()) as (other, generator):
        generator.run(ClosedLoop(1), 0.05, timeout_s=5.0)  # the first executions take far longer
        return [
            run_probe(other, generator, load, purpose="load", duration_s=seconds, timeout_s=timeout_s)
            for load, seconds in loads
        ]


def raw_s(probe: Probe) -> float:
    """What both clocks account for, nothing cut: seconds of an answered request."""
    assert probe.client is not None
    server = probe.server
    known_ns = server.queue_ns + server.compute_input_ns + server.compute_infer_ns + server.compute_output_ns
    client = probe.client
    return client.wait_s + client.send_s + client.receive_s + known_ns / server.success_count / 1e9


def parts_of(probe: Probe) -> Breakdown:
    assert probe.errors == {}
    parts = breakdown(probe)
    assert parts is not None
    assert probe.client is not None
    total_s = sum(getattr(parts, name) for name in parts.__dataclass_fields__ if name.endswith("_s"))
    assert total_s == pytest.approx(probe.client.total_s, rel=0.05)
    return parts


@pytest.mark.parametrize("model", ["plain", "batched"])
@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_the_parts_of_a_models_latency_add_up_to_its_mean(server: ReadyServer, model: str, protocol: str) -> None:
    (probe,) = offered(server, model, (ClosedLoop(6), 0.4), traffic=Traffic(protocol=protocol))
    assert probe.client is not None
    parts = parts_of(probe)
    assert raw_s(probe) <= 1.05 * probe.client.total_s  # nothing had to be cut
    assert parts.compute_infer_s >= 0.005
    assert parts.queue_s > 0.3 * parts.compute_infer_s
    assert parts.network_s < 0.4 * probe.client.total_s
    assert parts.steps == ()
    assert parts.bottleneck is None


def test_the_parts_of_an_ensemble_are_its_steps_and_its_bottleneck_is_named(server: ReadyServer) -> None:
    """Triton 2.51: the ensemble itself shows no queue, and an execution of batch 1 for each request."""
    (probe,) = offered(server, "pipeline", (ClosedLoop(4), 0.5))
    assert probe.client is not None
    assert probe.server.queue_ns < 0.01 * probe.server.request_ns
    parts = parts_of(probe)
    assert [each.model for each in parts.steps] == ["batched", "quick", "slow"]
    assert parts.bottleneck is not None
    assert parts.bottleneck.model == "slow"
    assert parts.bottleneck.busy > 0.7
    assert parts.bottleneck.queue_s > 0.02
    assert parts.queue_s > 0.5 * probe.client.total_s
    assert parts.network_s < 0.3 * probe.client.total_s
    assert sum(each.total_s for each in parts.steps) <= 1.05 * probe.client.total_s


def test_steps_that_run_side_by_side_do_not_add_up(server: ReadyServer) -> None:
    (probe,) = offered(server, "sides", (ClosedLoop(2), 0.4))
    assert probe.client is not None
    parts = parts_of(probe)
    assert {each.model: each.decides for each in parts.steps} == {"quick": False, "slow": True}
    quick, slow = sorted(parts.steps, key=lambda each: each.total_s)
    assert quick.total_s >= 0.002
    spent_s = parts.queue_s + parts.compute_input_s + parts.compute_infer_s + parts.compute_output_s
    assert spent_s == pytest.approx(slow.total_s, rel=0.05)


def test_the_parts_of_a_decoupled_stream_add_up_to_its_mean(server: ReadyServer) -> None:
    """Triton 2.51: the execution lasts until every request of its batch has its last response."""
    (probe,) = offered(server, "streams", (ClosedLoop(6), 0.5), traffic=Traffic(protocol="grpc", streaming=True))
    assert probe.client is not None
    assert raw_s(probe) > 1.1 * probe.client.total_s  # the two clocks count the same time twice
    parts = parts_of(probe)
    assert parts.client_receive_s >= 0.006  # two more responses after the first one
    assert parts.queue_s > 0.01
    assert parts.compute_infer_s > 0.002


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_requests_that_a_window_gave_up_do_not_fall_into_the_next_one(server: ReadyServer, protocol: str) -> None:
    """Triton 2.51 executes them all the same: here one in 15 ms, and 4 times as many are sent."""
    overload, calm = offered(
        server,
        "slow",
        (ConstantRate(260), 0.3),
        (ConstantRate(20), 0.4),
        traffic=Traffic(protocol=protocol),
        timeout_s=0.1,
    )
    assert overload.errors["timeout"] > 20
    assert overload.server.success_count > overload.requests - overload.errors["timeout"] + 20
    assert calm.errors == {}
    assert calm.server.success_count == calm.requests
    assert calm.latency_s["p50"] < 0.1


def test_batches_whose_execution_raises_are_batches(server: ReadyServer) -> None:
    """Triton 2.51: ``inference_count`` stays 0, ``batch_stats`` has the executions; the shares are the client's."""
    (probe,) = offered(server, "raises", (ClosedLoop(4), 0.3))
    assert probe.failed == probe.requests > 20
    assert (probe.server.inference_count, probe.server.success_count) == (0, 0)
    assert probe.server.mean_batch_size > 2


def test_an_unchanged_python_model_is_loaded_again_only_until_it_has_its_pycache(server: ReadyServer) -> None:
    """Remote mode unloads before it loads, so that a config without a change starts afresh too.

    Triton 2.51 loads a model again if its files changed since: the first load writes ``__pycache__`` beside
    ``model.py``, which counts as a change. From then on a load of what is loaded does nothing, and the statistics go
    on. Source: core/src/model_repository_manager, ``IsModified``.
    """
    kept = []
    for _ in range(3):
        with windows(server, "fresh", Traffic()) as (fresh, generator):  # loads it first
            kept.append(fresh.statistics().success_count)
            generator.run(ClosedLoop(1), 0.1, timeout_s=5.0)
    assert kept[:2] == [0, 0]
    assert kept[2] > 0
