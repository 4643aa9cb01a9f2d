"""Models that answer rightly alone and wrongly, or not at all, beside other requests in a batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tiny_models import write_model

RAGGED = "padded_without_a_mask"
"""The model whose requests have different lengths."""

STRINGS = "strings_padded"
"""The model that gets strings and pads those of a batch to the longest."""

CONFIG = """
backend: "python"
max_batch_size: 8
input {{ name: "x" data_type: TYPE_FP32 dims: [ {dims} ] {ragged} }}
output {{ name: "y" data_type: TYPE_FP32 dims: [ {dims} ] }}
instance_group {{ count: 1 kind: KIND_CPU }}
dynamic_batching {{ }}
"""

MODEL = """
import os
import time

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    buffer = np.zeros((64, 4), np.float32)

    def execute(self, requests):
        time.sleep(0.001)
        parts = [pb_utils.get_input_tensor_by_name(request, "x").as_numpy() for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", y)]) for y in self.answers(parts)]

    def split(self, parts, whole):
        ends = np.cumsum([len(part) for part in parts])[:-1]
        return np.split(np.ascontiguousarray(whole, dtype=np.float32), ends)

    def answers(self, parts):
        x = np.concatenate(parts) if len({part.shape[1:] for part in parts}) == 1 else None
        BODY
"""

BREAKERS = {
    "rows_reversed": "return self.split(parts, x[::-1])",
    "rows_sorted": "return self.split(parts, np.unique(x, axis=0)[: len(x)])",
    "rows_shifted": "return self.split(parts, np.roll(x, 1, axis=0))",
    "one_answer_for_all": "return [2 * parts[0]] * len(parts)",
    "last_row_forgotten": "x[1:][-1:] = 0; return self.split(parts, x)",
    "batch_statistics": "return self.split(parts, (x - x.mean(0)) / (1 + x.std(0)))",
    "softmax_over_the_batch": "e = np.exp(x); return self.split(parts, e / e.sum(0))",
    "scaled_by_the_batch": "return self.split(parts, x / np.abs(x).max())",
    "leading_dimension_is_time": "return self.split(parts, np.cumsum(x, axis=0))",
    "state_from_row_to_row": """h, rows = np.zeros(4, np.float32), []
        for row in x:
            h = 0.5 * h + row
            rows.append(h)
        return self.split(parts, np.array(rows))""",
    "reused_buffer": """answers = []
        for part in parts:
            self.buffer[: len(part)] = 3 * part
            answers.append(self.buffer[: len(part)])
        return answers""",
    "whole_batch_for_each": "return [x] * len(parts)",
    "one_request_only": """if len(parts) > 1:
            raise ValueError("one request at a time, please")
        return parts""",
    RAGGED: """longest = max(part.shape[1] for part in parts)
        return [part - part.sum() / longest for part in parts]""",
}
"""Model name to the body of a method that gets the requests' inputs and returns their answers."""

RIGHT = {
    "doubles": "return self.split(parts, 2 * x)",
    "matrix_product": "w = np.random.default_rng(0).random((4, 4), np.float32); return self.split(parts, x @ w)",
}
"""The same of models that may be batched."""


CHANGING = {
    "dropout": "return self.split(parts, x * np.random.default_rng().integers(0, 2, x.shape))",
    "says_the_time": "return self.split(parts, np.full_like(x, time.time() % 1))",
    "remembers": "self.buffer += x.sum(); return self.split(parts, x + self.buffer[0, 0])",
}
"""The same of models that give equal requests different answers anyway."""

ODD = {
    "ticks": "return self.split(parts, np.full_like(x, int(20 * time.time()) % 100))",
    "flaky": """if np.random.default_rng().random() < 0.3:
            raise ValueError("quota exceeded")
        return self.split(parts, x)""",
}
"""The same of models whose answers change, or fail, now and then."""


def write_python_model(repository: Path, name: str, body: str) -> None:
    ragged = name == RAGGED
    config = CONFIG.format(dims="-1" if ragged else "4", ragged="allow_ragged_batch: true" if ragged else "")
    write_model(repository, name, config, MODEL.replace("BODY", body))


def write_string_model(repository: Path) -> None:
    """Writes the model `STRINGS`."""
    config = CONFIG.format(dims="1", ragged="").replace("TYPE_FP32", "TYPE_STRING")
    body = """longest = max(len(text) for part in parts for text in part.ravel())
        return [np.char.ljust(part.astype("S"), longest, b"_").astype(np.object_) for part in parts]"""
    write_model(repository, STRINGS, config, MODEL.replace("BODY", body))


def write_onnx_breakers(repository: Path) -> tuple[str, ...]:
    """ONNX models with a dynamic first dimension that is no batch dimension; returns their names."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    one = numpy_helper.from_array(np.array([1], np.int64), "one")
    nodes: dict[str, list[Any]] = {
        "onnx_loses_batch": [  # one row comes out, whatever goes in, and no shape inference can see it
            helper.make_node("Sub", ["x", "x"], ["nil"]),
            helper.make_node("ReduceMax", ["nil"], ["nought"], axes=[0, 1], keepdims=0),
            helper.make_node("Cast", ["nought"], ["nought_i"], to=TensorProto.INT64),
            helper.make_node("Add", ["nought_i", "one"], ["k"]),
            helper.make_node("TopK", ["x", "k"], ["y", "indices"], axis=0),
        ],
        "onnx_centres_frames": [
            helper.make_node("ReduceMean", ["x"], ["mean"], axes=[0], keepdims=1),
            helper.make_node("Sub", ["x", "mean"], ["y"]),
        ],
        "onnx_softmax_axis_0": [helper.make_node("Softmax", ["x"], ["y"], axis=0)],
    }
    for name, graph in nodes.items():
        config = CONFIG.format(dims="4", ragged="").replace('backend: "python"', 'platform: "onnxruntime_onnx"')
        path = write_model(repository, name, config)
        _save(path / "1" / "model.onnx", name, graph, [one] if name == "onnx_loses_batch" else [])
    return tuple(nodes)


def _save(path: Path, name: str, nodes: list[Any], initializers: list[Any]) -> None:
    import onnx
    from onnx import TensorProto, helper

    tensors = [helper.make_tensor_value_info(each, TensorProto.FLOAT, ["rows", 4]) for each in ("x", "y")]
    graph = helper.make_graph(nodes, name, tensors[:1], tensors[1:], initializer=initializers)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8), path)
