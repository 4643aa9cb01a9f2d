"""Requests of several shapes on a real Triton: what its batcher does with them, and what the commands say of it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from rich.console import Console
from tiny_models import write_model

import autotune
from autotune.load import ClosedLoop, Traffic, create_generator, make_payloads
from autotune.measurement import Deployment
from autotune.report._sweep import sweep_table
from autotune.repository import ConfigSet, ModelRepository
from autotune.server import ControlClient, LaunchOptions, RunningServer, choose_launcher

_READER = """
import time
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        time.sleep(0.004)
        return [
            pb_utils.InferenceResponse([pb_utils.Tensor("size", np.array([[
                pb_utils.get_input_tensor_by_name(request, "tokens").as_numpy().size]], np.int32))])
            for request in requests
        ]
"""
_CONFIG = """
backend: "python"
max_batch_size: 16
input {{ name: "tokens" data_type: TYPE_INT32 dims: [ -1 ] {ragged} }}
output {{ name: "size" data_type: TYPE_INT32 dims: [ 1 ] }}
instance_group {{ count: 1 kind: KIND_CPU }}
dynamic_batching {{ max_queue_delay_microseconds: {delay_us} }}
"""
_MODELS = {
    "plain": _CONFIG.format(ragged="", delay_us=0),
    "ragged": _CONFIG.format(ragged="allow_ragged_batch: true", delay_us=0),
    "delayed": _CONFIG.format(ragged="", delay_us=80_000),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    repository = tmp_path_factory.mktemp("models")
    for name, config in _MODELS.items():
        write_model(repository, name, config, _READER)
    launcher, _ = choose_launcher("embedded", LaunchOptions(start_timeout_s=60))
    with launcher.launch(repository, "plain", tmp_path_factory.mktemp("log") / "triton.log") as server:
        for name in ("ragged", "delayed"):
            ControlClient(server.endpoint.host, server.endpoint.http_port).load(name)
        yield server


@pytest.fixture
def offer(server: RunningServer, tmp_path: Path) -> Callable[[str, list[int], int], tuple[float, float]]:
    """Mean batch and median latency of requests of these lengths, sent in turn by so many clients."""
    control = ControlClient(server.endpoint.host, server.endpoint.http_port)

    def offer(model: str, lengths: list[int], concurrency: int) -> tuple[float, float]:
        traffic = Traffic(input_data=str(_written(tmp_path, lengths)))
        payloads = make_payloads(model, control.model_metadata(model), control.model_config(model), traffic)
        before = control.statistics(model)
        with closing(create_generator("http", server.endpoint, payloads, in_process=True)) as generator:
            result = generator.run(ClosedLoop(concurrency), 0.4, 5.0)
        assert not result.errors
        return (control.statistics(model) - before).mean_batch_size, result.percentile_s(0.5)

    return offer


def _written(directory: Path, lengths: list[int]) -> Path:
    path = directory / "requests.json"
    path.write_text(json.dumps({"data": [{"tokens": [1] * length} for length in lengths]}))
    return path


# Triton 2.51 ends a batch at the first request of another shape, though as many wait as a batch may hold
def test_only_neighbours_of_one_length_are_batched_unless_ragged(offer) -> None:
    assert offer("plain", [3, 4], 16)[0] < 1.3
    assert 1.3 < offer("plain", [3, 3, 3, 4, 4, 4], 16)[0] < 3.5
    assert offer("plain", [3, 3], 16)[0] > 4
    assert offer("ragged", [3, 4], 16)[0] > 4


# It sends a batch that another shape has ended at once: the queue delay is not waited for
def test_a_request_of_another_length_ends_the_queue_delay(offer) -> None:
    assert offer("delayed", [3, 4], 2)[1] < 0.05
    assert offer("delayed", [3, 3], 2)[1] > 0.08


@pytest.mark.parametrize(("model", "small"), [("plain", True), ("ragged", False)])
def test_measure_says_why_batches_are_small(tmp_path: Path, model: str, small: bool) -> None:
    write_model(tmp_path / "models", model, _MODELS[model], _READER)
    where = {"launch": "embedded", "results": tmp_path / "results"}
    load = {"concurrency": 16, "duration": "200ms", "shape": "tokens:uniform(1,400)"}
    result = autotune.measure(tmp_path / "models", **where, **load)
    assert (result.probes[0].server.mean_batch_size < 2) == small
    shown = io.StringIO()
    sweep_table(result, Console(file=shown, width=160))
    why = "Batches are small: consecutive requests differ in the shape of input 'tokens'"
    assert (why in shown.getvalue()) == small
    assert ("set input[0].allow_ragged_batch to true" in shown.getvalue()) == small


def test_execution_times_of_sizes_are_asked_for_only_if_requests_are_alike(tmp_path: Path) -> None:
    """Recorded requests of several shapes cannot be put into one request of several items."""
    write_model(tmp_path / "models", "ragged", _MODELS["ragged"], _READER)
    spec = ModelRepository(tmp_path / "models").model("ragged")
    launcher, _ = choose_launcher("embedded", LaunchOptions(start_timeout_s=60))
    for lengths, alike in (([3, 4, 5], False), ([3, 3], True)):
        traffic = Traffic(input_data=str(_written(tmp_path, lengths)))
        deployment = Deployment(spec, launcher, tmp_path, traffic)
        with deployment.serve(ConfigSet.of(spec.config), tmp_path / "triton.log") as served:
            assert (served.sized is not None) == alike
            if served.sized is not None:
                served.sized([1, 2]).close()
