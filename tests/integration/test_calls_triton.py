"""A model that calls others (BLS) is simulated with them, and tuned and exported with them."""

from contextlib import closing
from pathlib import Path

import pytest

import autotune
from autotune.api import open_store
from autotune.report.document import build, read_source

TENSORS = (
    'backend: "python" max_batch_size: 8 input [ { name: "x" data_type: TYPE_FP32 dims: [ 4 ] } ]'
    ' output [ { name: "y" data_type: TYPE_FP32 dims: [ 4 ] } ]'
)
CALLED = """
import time

import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        time.sleep({seconds} * len(requests))
        return [
            pb_utils.InferenceResponse([pb_utils.Tensor("y", pb_utils.get_input_tensor_by_name(each, "x").as_numpy())])
            for each in requests
        ]
"""
CALLING = """
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(pb_utils.get_input_tensor_by_name(each, "x")) for each in requests]

    def answer(self, tensor):
        for model in ("slow", "quick"):
            given = pb_utils.Tensor("x", tensor.as_numpy())
            request = pb_utils.InferenceRequest(model_name=model, requested_output_names=["y"], inputs=[given])
            tensor = pb_utils.get_output_tensor_by_name(request.exec(), "y")
        return pb_utils.InferenceResponse([tensor])
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    models = tmp_path / "models"
    sources = {"main": CALLING, "slow": CALLED.format(seconds=0.01), "quick": CALLED.format(seconds=0.001)}
    for name, source in sources.items():
        (models / name / "1").mkdir(parents=True)
        (models / name / "1" / "model.py").write_text(source)
        (models / name / "config.pbtxt").write_text(TENSORS)
    return models


def test_a_window_shows_the_called_models(repository: Path, tmp_path: Path) -> None:
    result = autotune.measure(
        repository,
        "main",
        composing_models=["slow,quick"],
        concurrency=2,
        duration="500ms",
        launch="embedded",
        results=tmp_path / "results",
    )
    (probe,) = result.probes
    assert [each.step.model for each in probe.called] == ["slow", "quick"]
    assert all(abs(each.server.success_count - probe.requests) <= 2 for each in probe.called)
    slow, quick = probe.called
    assert slow.mean_s > 0.01 > 5 * quick.mean_s


def test_a_model_that_calls_others_is_simulated_tuned_and_exported_with_them(repository: Path, tmp_path: Path) -> None:
    space = tmp_path / "space.yaml"
    space.write_text("parameters: {instance_count: [1, 4]}\n")
    result = autotune.tune(
        repository,
        "main",
        composing_models=["slow,quick"],
        p99="60ms",
        launch="embedded",
        search_space=space,
        trials=4,
        final_rounds=0,
        window="500ms",
        certify_time="5s",
        results=tmp_path / "results",
    )
    assert result.best is not None
    assert result.explanation is not None
    assert not result.explanation.not_simulated
    candidate = result.best.outcome.candidate
    assert candidate is not None
    assert (candidate["main/instance_count"], candidate["slow/instance_count"]) == (4, 4)
    exported = {path.parent.name for path in (tmp_path / "results").glob("*/best/*/config.pbtxt")}
    assert exported >= {"main", "slow"}
    with closing(open_store(results=tmp_path / "results")) as store:
        report = build(read_source(store, None, tmp_path / "results"))
    assert "Executed batch sizes of slow" in {figure.title for figure in report.figures}
