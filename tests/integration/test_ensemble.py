"""An ensemble is served with the models it is composed of."""

from pathlib import Path

import pytest

import autotune
from autotune.errors import UsageError

STEP = """
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        return [
            pb_utils.InferenceResponse(
                [pb_utils.Tensor("y", 2 * pb_utils.get_input_tensor_by_name(request, "x").as_numpy())]
            )
            for request in requests
        ]
"""
TENSORS = (
    'max_batch_size: 8 input [ { name: "x" data_type: TYPE_FP32 dims: [ 4 ] } ]'
    ' output [ { name: "y" data_type: TYPE_FP32 dims: [ 4 ] } ]'
)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    models = tmp_path / "models"
    for name in ("first", "second"):
        (models / name / "1").mkdir(parents=True)
        (models / name / "1" / "model.py").write_text(STEP)
        (models / name / "config.pbtxt").write_text(f'backend: "python" {TENSORS}')
    (models / "both" / "1").mkdir(parents=True)
    (models / "both" / "config.pbtxt").write_text(
        f'platform: "ensemble" {TENSORS} ensemble_scheduling {{ step [\n'
        '  { model_name: "first" model_version: -1 input_map { key: "x" value: "x" }'
        ' output_map { key: "y" value: "between" } },\n'
        '  { model_name: "second" model_version: -1 input_map { key: "x" value: "between" }'
        ' output_map { key: "y" value: "y" } }\n] }'
    )
    return models


def test_an_ensemble_is_measured_with_its_steps(repository: Path, tmp_path: Path) -> None:
    result = autotune.measure(
        repository, "both", concurrency=2, duration="300ms", launch="embedded", results=tmp_path / "results"
    )
    (probe,) = result.probes
    assert probe.errors == {}
    assert probe.requests > 10


def test_tuning_an_ensemble_names_the_models_to_tune_instead(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="tune the models it is composed of \\(first, second\\) instead"):
        autotune.tune(repository, "both", p99="5ms", launch="embedded", results=tmp_path / "results")
    assert not (tmp_path / "results").exists()
