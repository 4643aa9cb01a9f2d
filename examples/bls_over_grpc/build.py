"""Writes a network of two layers with random weights for 28 x 28 pixels: models/digits/1/model.onnx.

python examples/bls_over_grpc/build.py
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).resolve().parent
HIDDEN, CLASSES = 128, 10


def network() -> onnx.ModelProto:
    """``input[batch, 1, 28, 28]`` to ``logits[batch, 10]``."""
    random = np.random.default_rng(0)
    weights = {
        "w1": random.normal(0, 0.05, (784, HIDDEN)),
        "b1": np.zeros(HIDDEN),
        "w2": random.normal(0, 0.1, (HIDDEN, CLASSES)),
        "b2": np.zeros(CLASSES),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["input"], ["pixels"]),
            helper.make_node("Gemm", ["pixels", "w1", "b1"], ["hidden"]),
            helper.make_node("Relu", ["hidden"], ["active"]),
            helper.make_node("Gemm", ["active", "w2", "b2"], ["logits"]),
        ],
        "digits",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 1, 28, 28])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])],
        [numpy_helper.from_array(values.astype(np.float32), name) for name, values in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


if __name__ == "__main__":
    path = HERE / "models" / "digits" / "1" / "model.onnx"
    path.parent.mkdir(exist_ok=True)
    onnx.save(network(), path)
