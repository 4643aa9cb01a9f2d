"""Load on a real Triton: what it says it served is what the generators say they sent."""

import time
from pathlib import Path

import numpy as np
import pytest
from tiny_models import write_model

from autotune.load import ClosedLoop, LoadOptions, Payload, PoissonRate, Tensor, create_generator, make_payload
from autotune.server import choose_launcher

_TOKENS = """
import time
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            count = int(pb_utils.get_input_tensor_by_name(request, "count").as_numpy()[0])
            if count < 0:
                error = pb_utils.TritonError("less than no tokens")
                sender.send(pb_utils.InferenceResponse(error=error))
            for number in range(count):
                time.sleep(0.005)
                token = pb_utils.Tensor("token", np.array([number], np.int32))
                sender.send(pb_utils.InferenceResponse([token]))
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""
_TOKENS_CONFIG = """
backend: "python"
model_transaction_policy { decoupled: true }
input { name: "count" data_type: TYPE_INT32 dims: [ 1 ] }
output { name: "token" data_type: TYPE_INT32 dims: [ 1 ] }
instance_group { count: 2 kind: KIND_CPU }
"""

_REPOSITORY = Path(__file__).parents[2] / "model_repository"
_MODEL = "mnist"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    launcher, _ = choose_launcher("embedded")
    with launcher.launch(_REPOSITORY, _MODEL, tmp_path_factory.mktemp("log") / "triton.log") as server:
        yield server


@pytest.fixture(params=["http", "grpc"])
def protocol(request):
    return request.param


def _payload(server, **options):
    return make_payload(_MODEL, server.model_metadata(), server.model_config(), **options)


@pytest.mark.parametrize("data", ["random", "zero"])
@pytest.mark.parametrize("schedule", [ClosedLoop(4), PoissonRate(200, seed=1)])
def test_triton_counts_what_the_generator_counts(server, protocol, schedule, data):
    generator = create_generator(protocol, server.endpoint, _payload(server, data=data, batch_size=2))
    before = server.statistics()
    try:
        result = generator.run(schedule, 0.5, 2.0)
    finally:
        generator.close()
    deadline = time.monotonic() + 2.0
    while (served := server.statistics() - before).success_count < result.completed and time.monotonic() < deadline:
        time.sleep(0.01)  # Triton counts a request after it has answered it
    assert result.errors == {}
    assert served.success_count == result.completed == result.requests > 50
    assert served.inference_count == 2 * result.completed
    assert served.fail_count == 0
    # What Triton spends before it answers is a part of the latency that the client saw. Its whole request time need
    # not be: a client of real-time priority is given the core before Triton has stopped its clock.
    before_answering_ns = served.queue_ns + served.compute_input_ns + served.compute_infer_ns
    assert 0 < before_answering_ns / served.success_count / 1e9 < result.mean_s


def test_request_that_triton_refuses_is_counted_with_its_message(server, protocol):
    (tensor,) = _payload(server).inputs
    wrong = Payload(_MODEL, (Tensor(tensor.name, tensor.datatype, np.zeros((1, 3, 3), np.float32)),))
    generator = create_generator(protocol, server.endpoint, wrong, options=LoadOptions())
    try:
        result = generator.run(PoissonRate(100, seed=2), 0.2, 2.0)
    finally:
        generator.close()
    assert result.completed == 0
    assert result.errors == {{"http": "http 400", "grpc": "grpc INVALID_ARGUMENT"}[protocol]: result.requests}
    assert tensor.name in result.error_example
    assert "shape" in result.error_example


@pytest.fixture(scope="module")
def token_server(tmp_path_factory):
    repository = tmp_path_factory.mktemp("models")
    write_model(repository, "tokens", _TOKENS_CONFIG, _TOKENS)
    launcher, _ = choose_launcher("embedded")
    with launcher.launch(repository, "tokens", tmp_path_factory.mktemp("log") / "triton.log") as server:
        yield server


def _stream(server, count, schedule):
    tokens = Payload("tokens", (Tensor("count", "INT32", np.array([count], np.int32)),))
    generator = create_generator("grpc", server.endpoint, tokens, options=LoadOptions(streaming=True))
    try:
        return generator.run(schedule, 0.5, 5.0)
    finally:
        generator.close()


@pytest.mark.parametrize("schedule", [ClosedLoop(2), PoissonRate(20, seed=3)])
def test_decoupled_model_streams_its_responses(token_server, schedule):
    before = token_server.statistics()
    result = _stream(token_server, 4, schedule)
    served = token_server.statistics() - before
    assert result.errors == {}
    assert served.success_count == result.completed == result.requests > 4
    assert result.responses == 4 * result.requests
    # The model takes 5 ms over each response.
    assert result.first_response_s.min() > 0.005
    assert np.all(result.first_response_s <= result.latency_s)
    assert np.median(result.latency_s - result.first_response_s) > 0.012


def test_decoupled_model_may_answer_nothing(token_server):
    result = _stream(token_server, 0, ClosedLoop(2))
    assert result.errors == {}
    assert result.responses == 0
    assert result.completed == result.requests > 10
    assert np.isinf(result.first_response_s).all()


def test_error_in_a_decoupled_response_is_counted_with_its_message(token_server):
    result = _stream(token_server, -1, PoissonRate(50, seed=4))
    assert result.errors == {"grpc stream error": result.requests}
    assert "less than no tokens" in result.error_example


def test_model_that_is_not_decoupled_may_be_streamed_too(server):
    generator = create_generator("grpc", server.endpoint, _payload(server), options=LoadOptions(streaming=True))
    try:
        result = generator.run(ClosedLoop(2), 0.3, 2.0)
    finally:
        generator.close()
    assert result.errors == {}
    assert result.responses == result.completed == result.requests > 50
    assert np.all(result.first_response_s <= result.latency_s)
