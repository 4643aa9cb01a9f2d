"""A machine that stops to work during a study: what fails is told from the configs, on the embedded Triton."""

from pathlib import Path

import pytest
from tiny_models import write_model

from autotune.cli import main

_CONFIG = """
backend: "python"
max_batch_size: 2
input { name: "input" data_type: TYPE_FP32 dims: [ 4 ] }
output { name: "output" data_type: TYPE_FP32 dims: [ 4 ] }
instance_group { count: 1 kind: KIND_CPU }
"""
_BREAKS = """
import os
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        with open({file!r}, "a") as starts:
            starts.write("started\\n")
        if os.path.getsize({file!r}) > 2 * len("started\\n"):
            raise OSError(f"[Errno 28] no space left on device: '/tmp/{{os.getpid()}}'")

    def execute(self, requests):
        tensors = [pb_utils.get_input_tensor_by_name(request, "input").as_numpy() for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("output", each)]) for each in tensors]
"""


def test_a_run_ends_with_a_diagnosis_once_nothing_works_any_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model(tmp_path / "models", "breaks", _CONFIG, _BREAKS.format(file=str(tmp_path / "starts")))
    space = tmp_path / "space.yaml"
    space.write_text("parameters:\n  max_batch_size: [1, 2, 4, 8, 16, 32, 64]\n")
    where = ["--model-repository", str(tmp_path / "models"), "--results", str(tmp_path / "results")]
    objective = ["--objective", "latency", "--min-throughput", "50", "--window", "100ms", "--sampler", "grid"]
    flags = ["--launch", "embedded", *objective, "--search-space", str(space)]
    assert main(["run", "--model", "breaks", *where, *flags]) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert (
        "3 configs in a row failed, and the config of trial 1, which had worked, now fails too (failed to load:"
        in printed
    )
    assert "no space left on device" in printed
    assert len((tmp_path / "starts").read_text().splitlines()) == 6
