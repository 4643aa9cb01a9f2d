"""Requests that no config can make right end a run in its first trial, with the remedy."""

import http.client
import json
from pathlib import Path

import numpy as np
import pytest
from tiny_models import write_model

import autotune
from autotune.errors import UsageError
from autotune.measurement import Deployment
from autotune.repository import ConfigSet, ModelRepository
from autotune.server import EmbeddedLauncher, LaunchOptions

CALLS = """
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        inner = pb_utils.InferenceRequest(
            model_name="sums", requested_output_names=["sum"],
            inputs=[pb_utils.Tensor("numbers", pb_utils.get_input_tensor_by_name(request, "numbers").as_numpy())],
        ).exec()
        if inner.has_error():
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(inner.error().message()))
        return pb_utils.InferenceResponse([pb_utils.get_output_tensor_by_name(inner, "sum")])
"""
SUMS = """
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        numbers = [pb_utils.get_input_tensor_by_name(request, "numbers").as_numpy() for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("sum", each.sum(axis=1, keepdims=True))])
                for each in numbers]
"""
TENSORS = """
backend: "python" max_batch_size: 4
input { name: "numbers" data_type: TYPE_FP32 dims: [ 4 ] }
output { name: "sum" data_type: TYPE_FP32 dims: [ 1 ] }
instance_group { count: 1 kind: KIND_CPU }
"""
LOAD = {"concurrency": 1, "duration": "100ms", "launch": "embedded"}


@pytest.fixture
def calling(tmp_path: Path) -> Path:
    """A model that calls another one by name, which nothing in its config says."""
    write_model(tmp_path / "models", "calls", TENSORS, CALLS)
    write_model(tmp_path / "models", "sums", TENSORS, SUMS)
    return tmp_path / "models"


@pytest.fixture
def embedding(tmp_path: Path) -> Path:
    """An ONNX model that looks ids up in a table of two rows."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    path = write_model(
        tmp_path / "models",
        "lookup",
        'backend: "onnxruntime" max_batch_size: 8 input { name: "id" data_type: TYPE_INT64 dims: [ 3 ] }'
        ' output { name: "row" data_type: TYPE_FP32 dims: [ 3, 4 ] } instance_group { count: 1 kind: KIND_CPU }',
    )
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "id"], ["row"])],
        "lookup",
        [helper.make_tensor_value_info("id", TensorProto.INT64, ["N", 3])],
        [helper.make_tensor_value_info("row", TensorProto.FLOAT, ["N", 3, 4])],
        initializer=[numpy_helper.from_array(np.arange(8, dtype=np.float32).reshape(2, 4), "table")],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8), path / "1/model.onnx"
    )
    return tmp_path / "models"


def test_a_callee_that_is_not_loaded_is_named_with_the_option_that_loads_it(calling: Path, tmp_path: Path) -> None:
    """Triton 2.51: "Failed for execute the inference request. Model 'sums' is not ready."."""
    with pytest.raises(UsageError, match="--composing-models: 'calls' calls 'sums', which is not loaded") as caught:
        autotune.tune(calling, "calls", p99="50ms", launch="embedded", results=tmp_path / "results", trials=6)
    assert str(caught.value).endswith("; add --composing-models sums")
    assert len(list(tmp_path.rglob("trial-*.log"))) == 1

    again = {"results": tmp_path / "results", "trials": 1, "window": "100ms", "final_rounds": 0, "sampler": "random"}
    tuned = autotune.tune(calling, "calls", p99="300ms", launch="embedded", composing_models=["sums"], **again)
    assert [(trial.number, trial.outcome.feasible) for trial in tuned.trials] == [(0, True)]


def test_a_model_answers_with_its_callee_loaded(calling: Path, tmp_path: Path) -> None:
    repository = ModelRepository(calling)
    spec = repository.model("calls")
    launcher = EmbeddedLauncher(LaunchOptions(start_timeout_s=30))
    deployment = Deployment(spec, launcher, tmp_path, composing=repository.composing_models(spec, ["sums"]))
    with deployment.serve(ConfigSet.of(spec.config), tmp_path / "log") as served:
        endpoint = served.server.endpoint
        connection = http.client.HTTPConnection(endpoint.host, endpoint.http_port)
        tensor = {"name": "numbers", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}
        connection.request("POST", "/v2/models/calls/infer", json.dumps({"inputs": [tensor]}))
        assert json.load(connection.getresponse())["outputs"][0]["data"] == [10]
        connection.close()


def test_a_composing_model_that_is_not_in_the_repository_is_refused(calling: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--composing-models: no model 'sum' in .* \(did you mean 'sums'\?\)"):
        autotune.measure(calling, "calls", composing_models=["sum"], results=tmp_path / "results", **LOAD)


def test_random_ids_that_a_model_refuses_name_other_data(embedding: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'lookup' refuses the random data: .*out of data bounds") as caught:
        autotune.tune(embedding, "lookup", p99="50ms", launch="embedded", results=tmp_path / "results", trials=6)
    assert "use --input-data zero or a file" in str(caught.value)
    assert len(list(tmp_path.rglob("trial-*.log"))) == 1
    measured = autotune.measure(embedding, "lookup", input_data="zero", results=tmp_path / "results", **LOAD)
    assert measured.probes[0].errors == {}


def test_a_file_of_which_every_request_is_refused_is_at_fault(embedding: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.json"
    data.write_text(json.dumps({"data": [{"id": [0, 1, 7]}, {"id": [9, 0, 0]}]}))
    with pytest.raises(
        UsageError, match=r"refuses the requests of .*data.json and answers zeros: .*out of data bounds"
    ):
        autotune.measure(embedding, "lookup", input_data=str(data), results=tmp_path / "results", **LOAD)
