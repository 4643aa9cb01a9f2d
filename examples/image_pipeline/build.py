"""Writes a convolutional network with random weights and 16 JPEG files.

python examples/image_pipeline/build.py
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, ImageDraw

HERE = Path(__file__).resolve().parent
SIDE, CHANNELS, CLASSES, IMAGES = 64, 64, 10, 16


def network() -> onnx.ModelProto:
    """``pixels[batch, 3, 64, 64]`` to ``logits[batch, 10]``: a few milliseconds on one core."""
    random = np.random.default_rng(0)
    weights = {
        "w1": random.normal(0, 0.2, (CHANNELS, 3, 3, 3)),
        "w2": random.normal(0, 0.05, (CHANNELS, CHANNELS, 3, 3)),
        "w3": random.normal(0, 0.05, (CHANNELS, CHANNELS, 3, 3)),
        "w4": random.normal(0, 0.1, (CHANNELS, CLASSES)),
    }
    same = {"pads": [1, 1, 1, 1]}
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["pixels", "w1"], ["c1"], **same),
            helper.make_node("Relu", ["c1"], ["r1"]),
            helper.make_node("Conv", ["r1", "w2"], ["c2"], **same),
            helper.make_node("Relu", ["c2"], ["r2"]),
            helper.make_node("Conv", ["r2", "w3"], ["c3"], **same),
            helper.make_node("GlobalAveragePool", ["c3"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["features"]),
            helper.make_node("MatMul", ["features", "w4"], ["logits"]),
        ],
        "network",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])],
        [numpy_helper.from_array(values.astype(np.float32), name) for name, values in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def picture(seed: int) -> Image.Image:
    """Random circles on a ground of one colour."""
    random = np.random.default_rng(seed)
    image = Image.new("RGB", (160, 120), tuple(map(int, random.integers(0, 256, 3))))
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y, radius = (int(value) for value in random.integers((0, 0, 5), (160, 120, 40)))
        colour = tuple(map(int, random.integers(0, 256, 3)))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return image


if __name__ == "__main__":
    path = HERE / "models" / "network" / "1" / "model.onnx"
    path.parent.mkdir(exist_ok=True)
    onnx.save(network(), path)
    (HERE / "images").mkdir(exist_ok=True)
    for number in range(IMAGES):
        picture(number).save(HERE / "images" / f"{number:02}.jpg", quality=90)
