"""A response without a declared output, which a real Triton passes on as a success (embedded 2.51, HTTP and gRPC)."""

from pathlib import Path

import pytest
from tiny_models import write_model

from autotune.load import ClosedLoop, Traffic
from autotune.measurement import Deployment
from autotune.repository import ConfigSet, ModelRepository
from autotune.server import EmbeddedLauncher, LaunchOptions

_CONFIG = """
backend: "python"
max_batch_size: 4
input { name: "input" data_type: TYPE_FP32 dims: [ 4 ] }
output { name: "output" data_type: TYPE_FP32 dims: [ 4 ] }
output { name: "score" data_type: TYPE_FP32 dims: [ 4 ] }
instance_group { count: 1 kind: KIND_CPU }
"""
_FORGETS = """
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        self.executions = 0

    def execute(self, requests):
        self.executions += 1
        names = ["output"] if self.executions % 3 == 0 else ["output", "score"]
        inputs = [pb_utils.get_input_tensor_by_name(request, "input").as_numpy() for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor(name, each) for name in names]) for each in inputs]
"""


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_responses_that_lack_a_declared_output_have_failed(tmp_path: Path, protocol: str) -> None:
    write_model(tmp_path / "models", "forgets", _CONFIG, _FORGETS)
    spec = ModelRepository(tmp_path / "models").model("forgets")
    launcher = EmbeddedLauncher(LaunchOptions(start_timeout_s=60))
    deployment = Deployment(spec, launcher, tmp_path, Traffic(protocol=protocol))
    with deployment.serve(ConfigSet.of(spec.config), tmp_path / "log") as served:
        result = served.generator.run(ClosedLoop(1), 0.3, 5.0)
    assert set(result.errors) == {"missing output"}
    assert abs(result.failed - result.requests / 3) <= 1
    assert result.error_example == "missing output: the response lacks output 'score' of the model's config"
