"""ONNX models that users brought: without a batch dimension, losing it, with an output that is no tensor, a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def write_onnx_models(models: Path) -> None:
    """Writes ``1/model.onnx`` of `frames`, `topmost`, `flowers` and `segments` beside their configs."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def constant(name: str, values: object, kind: Any) -> Any:
        return numpy_helper.from_array(np.array(values, kind), name)

    def tensor(name: str, element: Any, *dims: str | int) -> Any:
        return helper.make_tensor_value_info(name, element, dims)

    def save(name: str, nodes: Sequence[Any], inputs: Any, outputs: Sequence[Any], *constants: Any) -> None:
        graph = helper.make_graph(nodes, name, [inputs], outputs, initializer=constants)
        opsets = [helper.make_opsetid("", 15), helper.make_opsetid("ai.onnx.ml", 3)]
        (models / name / "1").mkdir(exist_ok=True)
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), models / name / "1" / "model.onnx")

    node, real, whole = helper.make_node, TensorProto.FLOAT, TensorProto.INT64
    save(  # each frame minus the mean of all: frames of several requests must not be mixed
        "frames",
        [node("ReduceMean", ["x"], ["mean"], axes=[0], keepdims=1), node("Sub", ["x", "mean"], ["y"])],
        tensor("x", real, "T", 8),
        [tensor("y", real, "T", 8)],
    )
    save(  # one row comes out, whatever goes in, and no shape inference can see it
        "topmost",
        [
            node("Sub", ["x", "x"], ["nil"]),
            node("ReduceMax", ["nil"], ["nought"], axes=[0, 1], keepdims=0),
            node("Cast", ["nought"], ["nought_i"], to=whole),
            node("Add", ["nought_i", "one"], ["k"]),
            node("TopK", ["x", "k"], ["y", "index"], axis=0),
        ],
        tensor("x", real, "N", 6),
        [tensor("y", real, "N", 6)],
        constant("one", [1], np.int64),
    )
    maps = onnx.ValueInfoProto(name="by_class")
    entry = maps.type.sequence_type.elem_type.map_type
    entry.key_type, entry.value_type.tensor_type.elem_type = whole, real
    save(
        "flowers",
        [
            node("MatMul", ["row", "weights"], ["logits"]),
            node("ArgMax", ["logits"], ["class"], axis=1, keepdims=0),
            node("ZipMap", ["logits"], ["by_class"], domain="ai.onnx.ml", classlabels_int64s=[0, 1, 2]),
        ],
        tensor("row", real, "N", 4),
        [tensor("class", whole, "N"), maps],
        constant("weights", np.eye(4, 3), np.float32),
    )
    save(
        "segments",
        [node("Gather", ["table", "id"], ["rows"]), node("ReduceMean", ["rows"], ["pooled"], axes=[1], keepdims=0)],
        tensor("id", whole, "N", "S"),
        [tensor("pooled", real, "N", 4)],
        constant("table", np.arange(8).reshape(2, 4), np.float32),
    )
