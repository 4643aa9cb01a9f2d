"""Models that are written for a measurement: emulated ones, ensembles of them, and a network of random weights."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).parents[1] / "model_repository"
_TENSORS = """max_batch_size: {most}
input [ {{ name: "input" data_type: TYPE_FP32 dims: [ {length} ] }} ]
output [ {{ name: "output" data_type: TYPE_FP32 dims: [ {length} ] }} ]
"""
_PIXELS, _WIDTH = 784, 2048


def tensors(max_batch_size: int, length: int = 16) -> str:
    """The part of a config that says what a model takes and answers, of ``length`` numbers an item; -1 for any."""
    return _TENSORS.format(most=max_batch_size, length=length)


def write_emulated(
    directory: Path, times: Mapping[str, Mapping[str, float | str]], batching: str = "", length: int = 16
) -> None:
    """Writes copies of `model_repository/accelerator`.

    Args:
        directory: The model repository.
        times: Milliseconds by parameter, by model; see the model's file.
        batching: Text that is added to each config.
        length: Numbers in an item; -1 for any.
    """
    for model, parameters in times.items():
        (directory / model / "1").mkdir(parents=True)
        shutil.copy(REPOSITORY / "accelerator" / "1" / "model.py", directory / model / "1")
        written = "".join(
            f'parameters {{ key: "{name}" value: {{ string_value: "{value}" }} }}\n'
            for name, value in parameters.items()
        )
        text = f'name: "{model}"\nbackend: "python"\n{tensors(8, length)}{batching}{written}'
        (directory / model / "config.pbtxt").write_text(text)


def write_ensemble(directory: Path, name: str, steps: Sequence[str], max_batch_size: int) -> None:
    """Writes an ensemble whose steps, emulated models, follow one another."""
    (directory / name / "1").mkdir(parents=True)
    passed = ["input", *(f"after_{step}" for step in steps[:-1]), "output"]
    written = [
        f'{{ model_name: "{step}" model_version: -1 input_map {{ key: "input" value: "{taken}" }}'
        f' output_map {{ key: "output" value: "{given}" }} }}'
        for step, taken, given in zip(steps, passed[:-1], passed[1:], strict=True)
    ]
    scheduling = f"ensemble_scheduling {{ step [ {', '.join(written)} ] }}\n"
    text = f'name: "{name}"\nplatform: "ensemble"\n{tensors(max_batch_size)}{scheduling}'
    (directory / name / "config.pbtxt").write_text(text)


def write_network(directory: Path, name: str, max_batch_size: int) -> None:
    """Writes an ONNX network of three layers whose weights take more memory than a core's caches.

    Reading them takes a small batch most of its time, so that a batch of 16 takes hardly longer than one item.
    """
    from itertools import pairwise

    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    sizes = (_PIXELS, _WIDTH, _WIDTH, 10)
    weights = {
        f"w{place}": random.normal(0, rows**-0.5, (rows, columns)).astype(np.float32)
        for place, (rows, columns) in enumerate(pairwise(sizes))
    }
    nodes = [
        helper.make_node("MatMul", ["input", "w0"], ["m0"]),
        helper.make_node("Relu", ["m0"], ["r0"]),
        helper.make_node("MatMul", ["r0", "w1"], ["m1"]),
        helper.make_node("Relu", ["m1"], ["r1"]),
        helper.make_node("MatMul", ["r1", "w2"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", sizes[0]])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", sizes[-1]])],
        [numpy_helper.from_array(values, key) for key, values in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (directory / name / "1").mkdir(parents=True)
    onnx.save(model, directory / name / "1" / "model.onnx")
    text = f'name: "{name}"\nbackend: "onnxruntime"\nmax_batch_size: {max_batch_size}\n'
    (directory / name / "config.pbtxt").write_text(text)
