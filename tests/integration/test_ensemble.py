"""An ensemble is served with the models it is composed of."""

from contextlib import closing
from pathlib import Path

import pytest

import autotune
from autotune.api import open_store
from autotune.report.document import build, read_source

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


def test_an_ensemble_is_tuned_through_its_steps_and_exported_with_them(repository: Path, tmp_path: Path) -> None:
    first = repository / "first" / "1" / "model.py"
    slow = first.read_text().replace("        return [", "        time.sleep(0.01 * len(requests))\n        return [")
    first.write_text("import time\n" + slow)
    space = tmp_path / "space.yaml"
    space.write_text("parameters: {instance_count: [1, 4]}\n")
    result = autotune.tune(
        repository,
        "both",
        p99="60ms",
        launch="embedded",
        search_space=space,
        trials=2,
        final_rounds=0,
        window="500ms",
        certify_time="5s",
        results=tmp_path / "results",
    )
    assert result.best is not None
    assert result.best.outcome.candidate is not None
    assert result.best.outcome.candidate["first/instance_count"] == 4
    assert list(result.best.outcome.configs) == ["both", "first", "second"]
    with closing(open_store(results=tmp_path / "results")) as store:
        report = build(read_source(store, None, tmp_path / "results"))
    assert "Executed batch sizes of second" in {figure.title for figure in report.figures}
    assert any("Bottleneck: first" in figure.caption for figure in report.figures)
    exported = sorted((tmp_path / "results").glob("*/best/*/config.pbtxt"))
    assert "first" in {path.parent.name for path in exported}
    for path in exported:
        (repository / path.parent.name / "config.pbtxt").write_text(path.read_text())
    again = autotune.measure(
        repository, "both", concurrency=4, duration="500ms", launch="embedded", results=tmp_path / "again"
    )
    assert again.probes[0].achieved_per_s > 150  # one instance completes 100
