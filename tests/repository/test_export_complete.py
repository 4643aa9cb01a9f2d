"""What is exported for a model without a config.pbtxt has everything that Triton needs."""

from pathlib import Path

import pytest
from tiny_models import write_model, write_onnx

import autotune
from autotune.repository import ModelConfig

COMPLETES = """
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config):
        config.add_input({"name": "input", "data_type": "TYPE_FP32", "dims": [4]})
        config.add_output({"name": "output", "data_type": "TYPE_FP32", "dims": [4]})
        config.set_max_batch_size(8)
        config.set_dynamic_batching()
        return config

    def execute(self, requests):
        return [
            pb_utils.InferenceResponse(
                [pb_utils.Tensor("output", pb_utils.get_input_tensor_by_name(request, "input").as_numpy())]
            )
            for request in requests
        ]
"""


@pytest.mark.parametrize("backend", ["onnxruntime", "python"])
def test_it_loads_without_completion_and_is_served_alike(tmp_path: Path, backend: str) -> None:
    models, results = tmp_path / "models", tmp_path / "results"
    if backend == "python":
        write_model(models, "bare", None, COMPLETES)
    else:
        write_onnx(models, "bare", None, operator="Neg")
    brief = {"trials": 1, "final_rounds": 0, "window": "100ms", "sampler": "random"}
    found = autotune.tune(models, "bare", p99="300ms", launch="embedded", results=results, **brief)
    assert found.config_path is not None
    exported = ModelConfig.parse(found.config_path.read_text(), "exported")
    assert exported.name == "bare"
    assert exported.backend == backend
    for kind in ("input", "output"):
        (tensor,) = exported.value(kind)
        assert (tensor["name"], tensor["data_type"], tuple(tensor["dims"])) == (kind, "TYPE_FP32", (4,))
    assert exported.max_batch_size > 1
    assert exported.dynamic_batching
    measured = autotune.measure(
        models,
        "bare",
        model_config=found.config_path,
        triton_arg=["--disable-auto-complete-config"],
        concurrency=1,
        duration="100ms",
        launch="embedded",
        results=results,
    )
    assert measured.probes[0].errors == {}
