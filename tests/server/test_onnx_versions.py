"""An ONNX file that the installed ONNX Runtime cannot read is found before a server starts."""

import re
from pathlib import Path

import onnxruntime
import pytest
from onnx import TensorProto, helper

from autotune.errors import UsageError
from autotune.repository import ModelConfig, ModelSpec, OnnxVersions
from autotune.server._onnx_versions import check_onnx_versions


def spec(ir_version: int, opset: int) -> ModelSpec:
    versions = OnnxVersions(ir_version, opset)
    return ModelSpec("net", Path("net"), ModelConfig.empty("net"), has_config=False, onnx=versions)


def runs(ir_version: int, opset: int) -> bool:
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("a", "b")]
    graph = helper.make_graph([helper.make_node("Neg", ["a"], ["b"])], "g", tensors[:1], tensors[1:])
    model = helper.make_model(graph, ir_version=ir_version, opset_imports=[helper.make_opsetid("", opset)])
    try:
        onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    except Exception:
        return False
    return True


@pytest.mark.parametrize(("ir_version", "opset", "what"), [(60, 17, "IR version"), (8, 90, "opset")])
def test_a_file_that_is_too_new_is_refused_with_the_newest_version_that_runs(ir_version, opset, what):
    # onnx 1.23 writes IR version 14 and opset 28 unless told otherwise, which onnxruntime 1.31 refuses (13 and 26).
    with pytest.raises(UsageError, match=rf"net.*{what} {max(ir_version, opset)}.*up to \d+.*export it") as refused:
        check_onnx_versions(spec(ir_version, opset))
    most = int(re.findall(r"up to (\d+)", str(refused.value))[0])
    newest, next_one = ((most, 17), (most + 1, 17)) if what == "IR version" else ((8, most), (8, most + 1))
    assert runs(*newest)
    assert not runs(*next_one)


def test_what_runs_is_let_through():
    check_onnx_versions(spec(8, 17))
    check_onnx_versions(spec(0, 0))  # the file does not say
    check_onnx_versions(ModelSpec("m", Path("m"), ModelConfig.empty("m"), has_config=False))
