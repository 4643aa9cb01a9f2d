"""Load on a real Triton: what it says it served is what the generators say they sent."""

from pathlib import Path

import numpy as np
import pytest

from autotune.load import ClosedLoop, LoadOptions, Payload, PoissonRate, Tensor, create_generator, make_payload
from autotune.server import choose_launcher

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
    served = server.statistics() - before
    assert result.errors == {}
    assert served.success_count == result.completed == result.requests > 50
    assert served.inference_count == 2 * result.completed
    assert served.fail_count == 0
    # Triton's own request time is a part of the latency that the client saw.
    assert served.request_ns / served.success_count / 1e9 < result.mean_s


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
