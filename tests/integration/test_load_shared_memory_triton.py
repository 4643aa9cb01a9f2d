"""Shared memory on a real Triton: it reads the inputs and writes the outputs, and nothing stays behind."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from tiny_models import write_model
from tritonclient.utils import deserialize_bytes_tensor

from autotune.errors import UsageError
from autotune.load import ClosedLoop, LoadOptions, Payload, PoissonRate, Tensor, make_payload
from autotune.load._generators import generator_in_this_process
from autotune.load._target import Target
from autotune.load.grpc._request import build_grpc_request
from autotune.load.http._request import build_http_request
from autotune.load.shared_memory import Placement, SharedMemoryGenerator, SharedTensors
from autotune.server import ControlClient, LaunchOptions, RunningServer, choose_launcher

_ACCELERATOR = Path(__file__).parents[2] / "model_repository" / "accelerator"
_SHM = Path("/dev/shm")  # noqa: S108
_CHUNK = 65536

_MODEL = """
import time
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        time.sleep({sleep_s})
        return [
            pb_utils.InferenceResponse(
                [pb_utils.Tensor("output", pb_utils.get_input_tensor_by_name(request, "input").as_numpy() {operation})]
            )
            for request in requests
        ]
"""
_CONFIG = """
backend: "python"
input {{ name: "input" data_type: {datatype} dims: [ {dims} ] }}
output {{ name: "output" data_type: {datatype} dims: [ {dims} ] }}
instance_group {{ count: 1 kind: KIND_CPU }}
"""


def _write(repository: Path, name: str, datatype: str, dims: int, operation: str, sleep_s: float = 0.0) -> None:
    config = _CONFIG.format(datatype=datatype, dims=dims)
    write_model(repository, name, config, _MODEL.format(operation=operation, sleep_s=sleep_s))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    repository = tmp_path_factory.mktemp("models")
    (repository / "accelerator").symlink_to(_ACCELERATOR)
    _write(repository, "large", "TYPE_FP32", 1 << 18, "* 2")
    _write(repository, "text", "TYPE_STRING", 3, "+ b'!'")
    _write(repository, "slow", "TYPE_FP32", 16, "* 2", sleep_s=0.5)
    config = _CONFIG.format(datatype="TYPE_FP32", dims=4) + "model_transaction_policy { decoupled: true }"
    write_model(repository, "decoupled", config, _MODEL.format(operation="", sleep_s=0))
    launcher, _ = choose_launcher("embedded", LaunchOptions(start_timeout_s=60))
    with launcher.launch(repository, "accelerator", tmp_path_factory.mktemp("log") / "triton.log") as server:
        for model in ("large", "text", "slow", "decoupled"):
            _control(server).load(model)
        yield server


@pytest.fixture(params=["http", "grpc"])
def protocol(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(autouse=True)
def nothing_left_behind(server: RunningServer) -> Iterator[None]:
    yield
    assert _regions(server) == []
    assert _files() == []


def _control(server: RunningServer) -> ControlClient:
    return ControlClient(server.endpoint.host, server.endpoint.http_port)


def _regions(server: RunningServer) -> list[str]:
    return [region["name"] for region in _control(server)._json("GET", "/v2/systemsharedmemory/status")]


def _files() -> list[str]:
    return [path.name for path in _SHM.glob(f"autotune-*-{os.getpid()}-*-tensors-*")]


def _payload(server: RunningServer, model: str, seed: int = 0) -> Payload:
    control = _control(server)
    return make_payload(model, control.model_metadata(model), control.model_config(model), seed=seed)


def _builder(protocol: str, server: RunningServer) -> Callable[[Payload, Placement], bytes]:
    if protocol == "grpc":
        return build_grpc_request
    return lambda payload, shared: build_http_request(payload, server.endpoint.host, server.endpoint.http_port, shared)


def _send(protocol: str, server: RunningServer, request: bytes) -> bytes:
    """Sends one request as it is; the response, whatever it says."""
    endpoint = server.endpoint
    if protocol == "grpc":
        with grpc.insecure_channel(f"{endpoint.host}:{endpoint.grpc_port}") as channel:
            return channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")(request, timeout=10)
    with socket.create_connection((endpoint.host, endpoint.http_port), timeout=10) as connection:
        connection.sendall(request)
        return connection.recv(_CHUNK)


def _target(protocol: str, server: RunningServer, tensors: SharedTensors) -> Target:
    endpoint = server.endpoint
    port = endpoint.grpc_port if protocol == "grpc" else endpoint.http_port
    requests = tensors.requests(_builder(protocol, server))
    return Target(protocol, endpoint.host, port, requests, options=LoadOptions())


@pytest.mark.parametrize("model", ["accelerator", "large"])
def test_outputs_are_written_where_the_request_says(server, protocol, model):
    payloads = [_payload(server, model, seed) for seed in range(2)]
    with SharedTensors(server.endpoint, payloads) as tensors:
        requests = tensors.requests(_builder(protocol, server))
        size = payloads[0].inputs[0].data.nbytes
        for slot in (0, 1, 5, 63):
            before = np.frombuffer(tensors.output("output", slot)[:size], np.float32)
            assert not before.any()
            response = _send(protocol, server, requests[slot])
            assert len(response) < 1000  # the tensor is not in it
            doubled = np.frombuffer(tensors.output("output", slot)[:size], np.float32)
            np.testing.assert_array_equal(doubled, 2 * payloads[slot % 2].inputs[0].data.ravel())


def test_strings_pass_through_shared_memory(server, protocol):
    data = np.array([b"a", b"", b"long" * 100], np.object_)
    with SharedTensors(server.endpoint, [Payload("text", (Tensor("input", "BYTES", data),))]) as tensors:
        _send(protocol, server, tensors.requests(_builder(protocol, server))[2])
        written = tensors.output("output", slot=2)
        answered = deserialize_bytes_tensor(written[: sum(len(text) + 5 for text in data)])
        assert answered.tolist() == [text + b"!" for text in data]


@pytest.mark.parametrize("schedule", [ClosedLoop(8), PoissonRate(100, seed=1)])
def test_load_through_shared_memory_is_answered(server, protocol, schedule):
    payloads = [_payload(server, "accelerator", seed) for seed in range(3)]
    generator = SharedMemoryGenerator.create(
        server.endpoint, payloads, lambda tensors: generator_in_this_process(_target(protocol, server, tensors))
    )
    try:
        result = generator.run(schedule, 0.5, 2.0)
        assert result.errors == {}
        assert result.completed == result.requests > len(payloads)
        doubled = {(2 * payload.inputs[0].data).tobytes() for payload in payloads}
        used = range(min(result.completed, 64))
        assert {generator._tensors.output("output", slot)[:64] for slot in used} == doubled
    finally:
        generator.close()


def test_region_still_in_use_is_let_go_of_and_the_server_survives(server):
    tensors = SharedTensors(server.endpoint, [_payload(server, "slow")])
    request = tensors.requests(_builder("http", server))[0]
    with socket.create_connection((server.endpoint.host, server.endpoint.http_port)) as connection:
        connection.sendall(request)
        time.sleep(0.1)
    tensors.close()
    server.check_alive()


def test_exception_leaves_no_region(server):
    seen: list[list[str]] = []

    def interrupted_while_in_use() -> None:
        with SharedTensors(server.endpoint, [_payload(server, "accelerator")]):
            seen.extend([_regions(server), _files()])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_while_in_use()
    regions, files = seen
    assert len(regions) == 1
    assert files == []  # even a kill would have left none


def test_server_with_other_shared_memory_is_told_in_one_line(server, tmp_path):
    with pytest.raises(UsageError, match=r"^--shared-memory: .*Unable to open shared memory region") as refused:
        SharedTensors(server.endpoint, [_payload(server, "accelerator")], tmp_path)
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_decoupled_model_is_told_in_one_line(server):
    with pytest.raises(UsageError, match=r"^--shared-memory: model 'decoupled' is decoupled"):
        SharedTensors(server.endpoint, [_payload(server, "decoupled")])
