"""Tiny model repositories, good and broken, for tests with a real Triton."""

from __future__ import annotations

from pathlib import Path

_DOUBLE = """
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        return [
            pb_utils.InferenceResponse(
                [pb_utils.Tensor("output", 2 * pb_utils.get_input_tensor_by_name(request, "input").as_numpy())]
            )
            for request in requests
        ]
"""

_RAISES = """
class TritonPythonModel:
    def initialize(self, args):
        raise ValueError("no weights here")
"""

_SLOW = """
import time

class TritonPythonModel:
    def initialize(self, args):
        time.sleep(60)
"""

_TENSORS = """
input { name: "input" data_type: TYPE_FP32 dims: [ 4 ] }
output { name: "output" data_type: TYPE_FP32 dims: [ 4 ] }
instance_group { count: 1 kind: KIND_CPU }
"""


def write_model(repository: Path, name: str, config: str | None, source: str | None = None) -> Path:
    """A model directory with ``config`` and, where given, a Python model."""
    version = repository / name / "1"
    version.mkdir(parents=True)
    if config is not None:
        (repository / name / "config.pbtxt").write_text(config)
    if source is not None:
        (version / "model.py").write_text(source)
    return repository / name


def write_double(repository: Path, name: str = "double", extra: str = "max_batch_size: 8") -> Path:
    """A Python model that doubles FP32[4]."""
    return write_model(repository, name, f'backend: "python"\n{extra}\n{_TENSORS}', _DOUBLE)


def write_raises(repository: Path) -> Path:
    """A Python model whose initialize raises."""
    return write_model(repository, "raises", f'backend: "python"\n{_TENSORS}', _RAISES)


def write_slow(repository: Path) -> Path:
    """A Python model that takes a minute to initialize."""
    return write_model(repository, "slow", f'backend: "python"\n{_TENSORS}', _SLOW)


def write_onnx(
    repository: Path,
    name: str,
    config: str | None,
    batch: str | int = "batch",
    element: str = "FLOAT",
    operator: str = "Identity",
    file: str = "model.onnx",
) -> Path:
    """An ONNX model of one operator from ``input[batch, 4]`` to ``output[batch, 4]``."""
    import onnx
    from onnx import TensorProto, helper

    path = write_model(repository, name, config)
    kind = getattr(TensorProto, element)
    graph = helper.make_graph(
        [helper.make_node(operator, ["input"], ["output"])],
        name,
        [helper.make_tensor_value_info("input", kind, [batch, 4])],
        [helper.make_tensor_value_info("output", kind, [batch, 4])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path / "1" / file)
    return path


def write_ensemble(repository: Path, name: str, steps: tuple[str, str]) -> Path:
    """An ensemble of two models from FP32[4] to FP32[4], one after the other."""
    first, second = (f'model_name: "{step}" model_version: -1' for step in steps)
    return write_model(
        repository,
        name,
        f"""
platform: "ensemble"
max_batch_size: 8
input {{ name: "input" data_type: TYPE_FP32 dims: [ 4 ] }}
output {{ name: "output" data_type: TYPE_FP32 dims: [ 4 ] }}
ensemble_scheduling {{
  step {{
    {first}
    input_map {{ key: "input" value: "input" }}
    output_map {{ key: "output" value: "between" }}
  }}
  step {{
    {second}
    input_map {{ key: "input" value: "between" }}
    output_map {{ key: "output" value: "output" }}
  }}
}}
""",
    )


def onnx_config(extra: str = "max_batch_size: 8", datatype: str = "TYPE_FP32", dims: str = "4") -> str:
    """A complete config for `write_onnx`."""
    return f"""
platform: "onnxruntime_onnx"
{extra}
input {{ name: "input" data_type: {datatype} dims: [ {dims} ] }}
output {{ name: "output" data_type: {datatype} dims: [ {dims} ] }}
instance_group {{ count: 1 kind: KIND_CPU }}
"""


def write_suite_repository(repository: Path) -> Path:
    """Every model that the launch suite asks for."""
    write_double(repository)
    write_raises(repository)
    write_slow(repository)
    write_onnx(repository, "negate", onnx_config(), operator="Neg")
    write_onnx(repository, "no_config", None, operator="Neg")
    write_onnx(repository, "wrong_type", onnx_config(datatype="TYPE_INT32"))
    write_onnx(repository, "wrong_dims", onnx_config(dims="5, 7"))
    write_onnx(repository, "fixed_batch", onnx_config(), batch=1)
    write_model(repository, "no_backend", f'backend: "nonesuch"\nmax_batch_size: 8\n{_TENSORS}')
    write_model(repository, "unparsable", "max_batch_size: eight\n")
    return repository


_HEAVY = """
import time
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        self.weights = np.ones(MIB << 20, np.uint8)

    def execute(self, requests):
        time.sleep(SECONDS * len(requests))
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", np.zeros(1, np.float32))]) for _ in requests]
"""
_HEAVY_CONFIG = """
backend: "python"
input { name: "x" data_type: TYPE_FP32 dims: [ 1 ] }
output { name: "y" data_type: TYPE_FP32 dims: [ 1 ] }
"""


def write_heavy(repository: Path, name: str, *, seconds: float = 0.0, mib: int = 0, instances: int = 1) -> None:
    """A model whose instances take so long for a request and hold so much memory; it takes no batches."""
    model = _HEAVY.replace("SECONDS", str(seconds)).replace("MIB", str(mib))
    config = f"{_HEAVY_CONFIG}instance_group {{ count: {instances} kind: KIND_CPU }}\n"
    write_model(repository, name, config, model)
