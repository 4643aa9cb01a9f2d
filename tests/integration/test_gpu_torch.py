"""The main job on a GPU: a torch model in the Python backend of the embedded Triton. Skipped without a GPU."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from tiny_models import write_model

from autotune.cli import main
from autotune.environment import gpu_state
from autotune.store import Store

pytestmark = [
    pytest.mark.skipif(gpu_state() is None, reason="no GPU: nvidia-smi is not here or does not answer"),
    pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed"),
]

# Every execution reads all weights once, however large its batch: batching pays until arithmetic takes longer.
_WEIGHT_BYTES = 16 * 4096 * 4096 * 2
_MODEL = """
import numpy as np
import torch
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        assert args["model_instance_kind"] == "GPU", args
        self.device = torch.device("cuda", int(args["model_instance_device_id"]))
        self.layers = [0.02 * torch.randn(4096, 4096, device=self.device, dtype=torch.float16) for _ in range(16)]

    @torch.inference_mode()
    def execute(self, requests):
        tensors = [pb_utils.get_input_tensor_by_name(request, "input").as_numpy() for request in requests]
        hidden = torch.from_numpy(np.concatenate(tensors)).to(self.device)
        hidden = hidden.half().repeat(1, 256)
        for layer in self.layers:
            hidden = torch.relu(hidden @ layer)
        outputs = hidden[:, :4].float().cpu().numpy()
        ends = np.cumsum([len(tensor) for tensor in tensors])
        return [
            pb_utils.InferenceResponse([pb_utils.Tensor("output", np.ascontiguousarray(output))])
            for output in np.split(outputs, ends[:-1])
        ]
"""
_CONFIG = """
backend: "python"
max_batch_size: 1
input { name: "input" data_type: TYPE_FP32 dims: [ 16 ] }
output { name: "output" data_type: TYPE_FP32 dims: [ 4 ] }
instance_group { count: 1 kind: KIND_GPU }
"""
_SPACE = """
parameters:
  max_batch_size: {low: 1, high: 64, scale: log2}
  dynamic_batching: [true]
  instance_count: [1, 2]
"""


def test_tunes_a_torch_model_on_a_gpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model(tmp_path / "models", "mlp", _CONFIG, _MODEL)
    space = tmp_path / "space.yaml"
    space.write_text(_SPACE)
    where = ["--model-repository", str(tmp_path / "models"), "--results", str(tmp_path), "--launch", "embedded"]
    how = ["--search-space", str(space), "--trials", "5", "--final-rounds", "2", "--start-timeout", "120s"]
    assert main(["run", *where, *how, "--model", "mlp", "--p99", "20ms", "--study", "gpu", "--json"]) == 0

    result = json.loads(capsys.readouterr().out)
    plain = result["trials"][0]
    assert plain["label"] == "baseline"
    assert result["best"]["rate_per_s"] > 1.5 * plain["rate_per_s"]
    assert "kind: KIND_GPU" in Path(result["config_path"]).read_text()

    store = Store.open_existing(f"sqlite:///{tmp_path / 'autotune.db'}")
    study = store.study("gpu")
    assert study is not None
    for trial in store.trials(study):
        assert trial.environment.gpus
        for probe in trial.probes:
            assert probe.usage is not None
            assert (probe.usage.gpu_memory_bytes or 0) > _WEIGHT_BYTES
