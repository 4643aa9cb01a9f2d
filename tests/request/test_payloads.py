"""The requests that are expected of a model's files, before a server has been asked."""

import json
from pathlib import Path

import pytest
from tiny_models import onnx_config, write_onnx

from autotune.errors import UsageError
from autotune.load import Traffic
from autotune.repository import ModelConfig, ModelRepository, ModelSpec, TensorSpec
from autotune.request import RunRequest, expected_payloads


def shapes(config: str, *inputs: TensorSpec, **traffic: object) -> dict[str, tuple[int, ...]]:
    parsed = ModelConfig.parse(config, "m/config.pbtxt")
    spec = ModelSpec("m", Path("m"), parsed, has_config=True, inputs=inputs, batch_dimension="dynamic")
    (payload,) = expected_payloads(spec, parsed, Traffic(**traffic))
    return {tensor.name: tensor.data.shape for tensor in payload.inputs}


def test_dims_of_the_config_win_over_dynamic_ones_of_the_model_file() -> None:
    config = 'max_batch_size: 8 input { name: "x" data_type: TYPE_FP32 dims: [ 3, 16 ] }'
    assert shapes(config, TensorSpec("x", "FP32", (-1, -1, -1)), batch_size=2) == {"x": (2, 3, 16)}


def test_dims_of_a_config_without_batching_hold_the_whole_shape() -> None:
    config = 'max_batch_size: 0 input { name: "x" data_type: TYPE_FP32 dims: [ -1, 16 ] }'
    assert shapes(config, TensorSpec("x", "FP32", (-1, -1)), batch_size=2) == {"x": (2, 16)}


def test_dynamic_dims_that_the_config_leaves_open_need_a_shape() -> None:
    with pytest.raises(UsageError, match=r"^--shape: input 'x' has a dynamic dimension"):
        shapes("max_batch_size: 8", TensorSpec("x", "FP32", (-1, -1)))


def test_optional_inputs_of_the_config_are_left_out() -> None:
    config = """
        max_batch_size: 8
        input { name: "x" data_type: TYPE_FP32 dims: 4 }
        input { name: "mask" data_type: TYPE_FP32 dims: -1 optional: true }
    """
    inputs = TensorSpec("x", "FP32", (-1, 4)), TensorSpec("mask", "FP32", (-1, -1))
    assert shapes(config, *inputs) == {"x": (1, 4)}


def test_a_recorded_request_of_many_rows_is_sent_whole_if_the_config_says_not_to_batch(tmp_path: Path) -> None:
    write_onnx(tmp_path, "centre", onnx_config("max_batch_size: 0", dims="-1, 4"))
    spec = ModelRepository(tmp_path).model("centre")
    recorded = tmp_path / "requests.json"
    recorded.write_text(json.dumps({"data": [{"input": {"content": list(range(20)), "shape": [5, 4]}}]}))
    (payload,) = expected_payloads(spec, spec.config, Traffic(input_data=str(recorded)))
    assert [tensor.data.shape for tensor in payload.inputs] == [(5, 4)]


def test_drawn_sizes_make_many_requests_by_default() -> None:
    config = 'max_batch_size: 8 input { name: "x" data_type: TYPE_FP32 dims: [ -1 ] }'
    parsed = ModelConfig.parse(config, "m/config.pbtxt")
    inputs = (TensorSpec("x", "FP32", (-1, -1)),)
    spec = ModelSpec("m", Path("m"), parsed, has_config=True, inputs=inputs, batch_dimension="dynamic")
    drawn, fixed, few = (
        RunRequest(shape=[shape], payloads=payloads).traffic(spec, parsed)
        for shape, payloads in (("x:uniform(1,9)", None), ("x:9", None), ("x:uniform(1,9)", 3))
    )
    assert (drawn.payloads, fixed.payloads, few.payloads) == (64, 1, 3)
