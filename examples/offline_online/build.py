"""Writes a convolutional network with random weights for 32 x 32 pixels: models/convnet/1/model.onnx.

python examples/offline_online/build.py
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).resolve().parent
SIDE, CHANNELS, CLASSES = 32, 16, 10


def network() -> onnx.ModelProto:
    """``input[batch, 3, 32, 32]`` to ``logits[batch, 10]``."""
    random = np.random.default_rng(0)
    weights = {
        "w1": random.normal(0, 0.2, (CHANNELS, 3, 3, 3)),
        "w2": random.normal(0, 0.05, (CHANNELS, CHANNELS, 3, 3)),
        "w3": random.normal(0, 0.1, (CHANNELS, CLASSES)),
    }
    halved = {"pads": [1, 1, 1, 1], "strides": [2, 2]}
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["input", "w1"], ["c1"], **halved),
            helper.make_node("Relu", ["c1"], ["r1"]),
            helper.make_node("Conv", ["r1", "w2"], ["c2"], **halved),
            helper.make_node("GlobalAveragePool", ["c2"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["features"]),
            helper.make_node("MatMul", ["features", "w3"], ["logits"]),
        ],
        "convnet",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])],
        [numpy_helper.from_array(values.astype(np.float32), name) for name, values in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


if __name__ == "__main__":
    path = HERE / "models" / "convnet" / "1" / "model.onnx"
    path.parent.mkdir(exist_ok=True)
    onnx.save(network(), path)
