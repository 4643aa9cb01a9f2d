"""A config that batches beside an ONNX file with a fixed first dimension is refused before a start."""

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from autotune.errors import UsageError
from autotune.repository import ModelRepository, check_batch_dimension
from autotune.request import RunRequest

TENSORS = """
input { name: "x" data_type: TYPE_FP32 dims: [ 4 ] }
output { name: "y" data_type: TYPE_FP32 dims: [ 4 ] }
"""


def write(repository: Path, config: str, x: list[object], *outputs: list[object]) -> None:
    def tensor(name: str, shape: list[object]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph([], "g", [tensor("x", x)], [tensor("yz"[i], each) for i, each in enumerate(outputs)])
    (repository / "net" / "1").mkdir(parents=True)
    onnx.save(helper.make_model(graph), repository / "net" / "1" / "model.onnx")
    (repository / "net" / "config.pbtxt").write_text(config)


@pytest.mark.parametrize("config", [f"max_batch_size: 8 {TENSORS}", 'platform: "onnxruntime_onnx" max_batch_size: 8'])
@pytest.mark.parametrize(
    ("x", "y", "words"), [([2, 4], ["n", 4], "'x' in its ONNX file is fixed at 2"), (["n", 4], [3, 4], "'y' .* at 3")]
)
def test_a_fixed_first_dimension_is_refused_before_a_shape_is_asked_for(
    tmp_path: Path, config: str, x: list[object], y: list[object], words: str
) -> None:
    write(tmp_path, config, x, y)
    spec = ModelRepository(tmp_path).model("net")
    with pytest.raises(UsageError, match=f"^--model: net: max_batch_size is 8, but .*{words}.*max_batch_size: 0 and"):
        RunRequest(p99="5ms").traffic(spec, spec.config)


@pytest.mark.parametrize(
    ("config", "x", "outputs"),
    [
        pytest.param(f"max_batch_size: 8 {TENSORS}", ["n", 4], [["n", 4]], id="a dynamic first dimension"),
        pytest.param(f"max_batch_size: 8 {TENSORS}", ["n", 4], [["n", 4], [3]], id="an output that is not served"),
        pytest.param(f"max_batch_size: 8 {TENSORS}", ["n", 4], [[]], id="a scalar, which is one row"),
        pytest.param("max_batch_size: 0", [2, 4], [[2, 4]], id="no batching"),
        pytest.param(f'backend: "openvino" max_batch_size: 8 {TENSORS}', [2, 4], [[2, 4]], id="another backend"),
    ],
)
def test_what_the_backend_may_load_passes(
    tmp_path: Path, config: str, x: list[object], outputs: list[list[object]]
) -> None:
    write(tmp_path, config, x, *outputs)
    spec = ModelRepository(tmp_path).model("net")
    check_batch_dimension(spec, spec.config)
