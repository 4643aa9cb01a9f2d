"""The bundled model repository, as it is, on a real embedded Triton."""

import shutil
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http

from autotune.load import ClosedLoop, create_generator, make_payload
from autotune.server import LaunchOptions, choose_launcher

REPOSITORY = Path(__file__).resolve().parents[2] / "model_repository"


@pytest.fixture
def serve(tmp_path):
    """Starts the embedded Triton on a repository with one model."""
    launcher, _ = choose_launcher("embedded", LaunchOptions())
    return lambda model, repository=REPOSITORY: launcher.launch(repository, model, tmp_path / "triton.log")


def infer(server, model, values):
    """The answer's tensors by name."""
    endpoint = server.endpoint
    with closing(tritonclient.http.InferenceServerClient(f"{endpoint.host}:{endpoint.http_port}")) as client:
        tensor = tritonclient.http.InferInput("input", values.shape, "FP32")
        tensor.set_data_from_numpy(values)
        result = client.infer(model, [tensor])
        return {output["name"]: result.as_numpy(output["name"]) for output in result.get_response()["outputs"]}


@pytest.mark.parametrize(
    ("model", "shape", "answers"),
    [
        ("mnist", (3, 1, 28, 28), {"logits": (3, 10)}),
        ("mnist_static", (1, 1, 28, 28), {"logits": (1, 10)}),
        ("iris", (5, 4), {"label": (5, 1), "probabilities": (5, 3)}),
        ("accelerator", (2, 16), {"output": (2, 16)}),
    ],
)
def test_example_loads_unchanged_and_answers(serve, model, shape, answers):
    values = np.ones(shape, np.float32)
    with serve(model) as server:
        outputs = infer(server, model, values)
    assert {name: output.shape for name, output in outputs.items()} == answers
    assert all(np.isfinite(output).all() for output in outputs.values())


def test_accelerator_takes_the_time_its_parameters_say_and_doubles_its_input(serve):
    with serve("accelerator") as server:
        for items in (1, 8):
            values = np.full((items, 16), 1.5, np.float32)
            np.testing.assert_array_equal(infer(server, "accelerator", values)["output"], values * 2)
            time.sleep(0.1)  # Triton counts a request after it has answered
            before = server.statistics()
            for _ in range(30):
                infer(server, "accelerator", values)
            time.sleep(0.1)
            window = server.statistics() - before
            mean_s = window.compute_infer_ns / window.execution_count / 1e9
            expected_s = 0.0025 + items * 0.0001
            assert window.batch_executions == {items: 30}
            assert expected_s <= mean_s < expected_s + 0.001


def test_accelerator_instances_share_one_device(serve, tmp_path):
    staged = tmp_path / "repository" / "accelerator"
    shutil.copytree(REPOSITORY / "accelerator", staged)
    config = staged / "config.pbtxt"
    config.write_text(config.read_text().replace("count: 1", "count: 4"))
    device_bound_per_s = 8 / (0.002 + 8 * 0.0001)
    with serve("accelerator", staged.parent) as server:
        payload = make_payload("accelerator", server.model_metadata(), server.model_config())
        with closing(create_generator("http", server.endpoint, payload)) as generator:
            result = generator.run(ClosedLoop(64), 2.0, 5.0)
    assert result.failed == 0
    assert 0.75 * device_bound_per_s < result.achieved_per_s < 1.05 * device_bound_per_s
