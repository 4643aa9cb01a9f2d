"""Requests that no config can make right: recorded ones that a model refuses, though it answers zeros."""

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_models import write_model

import autotune
from autotune.errors import UsageError

LOAD = {"concurrency": 1, "duration": "100ms", "launch": "embedded"}


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


def test_a_file_of_which_every_request_is_refused_is_at_fault(embedding: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.json"
    data.write_text(json.dumps({"data": [{"id": [0, 1, 7]}, {"id": [9, 0, 0]}]}))
    with pytest.raises(
        UsageError,
        match=r"refuses the requests of .*data.json, though it answers requests of zeros: .*out of data bounds",
    ):
        autotune.measure(embedding, "lookup", input_data=str(data), results=tmp_path / "results", **LOAD)
