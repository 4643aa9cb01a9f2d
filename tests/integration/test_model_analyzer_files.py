"""Files in the documented forms of Model Analyzer 1.58, unchanged, on the embedded Triton."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from tiny_models import onnx_config, write_double, write_ensemble, write_model, write_onnx

from autotune.cli import main

FILES = Path(__file__).parents[1] / "data" / "model_analyzer"
CALLS = """
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(pb_utils.get_input_tensor_by_name(request, "input")) for request in requests]

    def answer(self, given):
        asked = pb_utils.InferenceRequest(
            model_name="double", requested_output_names=["output"], inputs=[given]
        )
        return pb_utils.InferenceResponse([pb_utils.get_output_tensor_by_name(asked.exec(), "output")])
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    models = tmp_path / "models"
    config = (write_double(models) / "config.pbtxt").read_text()
    write_onnx(models, "negate", onnx_config(), operator="Neg")
    write_ensemble(models, "both", ("double", "negate"))
    write_model(models, "caller", config, CALLS)
    return models


@pytest.mark.parametrize(
    ("name", "model", "searched"),
    [
        ("quick", "double", {"max_batch_size", "dynamic_batching", "instance_count"}),
        ("brute", "double", {"max_batch_size", "max_queue_delay_microseconds", "instance_count", "instance_kind"}),
        ("ensemble", "both", {"double/instance_count", "negate/instance_count"}),
        ("bls", "caller", {"caller/instance_count", "double/instance_count"}),
    ],
)
def test_a_file_is_tuned_and_its_results_have_model_analyzers_columns(
    repository: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    model: str,
    searched: set[str],
) -> None:
    where = ("--model-repository", str(repository), "--launch", "embedded", "--results", str(tmp_path / "results"))
    short = (
        "--trials",
        "2",
        "--final-rounds",
        "0",
        "--window",
        "100ms",
        "--warm-up",
        "200ms",
        "--study",
        "theirs",
        "--json",
        "-q",
    )
    assert main(["run", "--from-model-analyzer", str(FILES / f"{name}.yaml"), *where, *short]) == 0
    result = json.loads(capsys.readouterr().out)
    baseline, trial = result["trials"]
    assert (result["model"], result["objective"]["load"]) == (model, "closed")
    assert result["objective"]["ceilings"][0]["limit_s"] == pytest.approx(0.1)
    assert {trial["outcome"], baseline["outcome"]} <= {"feasible", "infeasible", "pruned"}
    assert searched <= trial["parameters"].keys()
    export = ("studies", "export", "theirs", "--results", str(tmp_path / "results"), "--format", "model-analyzer")
    assert main(list(export)) == 0
    # DEFAULT_INFERENCE_OUTPUT_FIELDS of Model Analyzer's config_defaults.py, with the headings of its record types.
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[0] == [
        "Model",
        "Batch",
        "Concurrency",
        "Model Config Path",
        "Instance Group",
        "Max Batch Size",
        "Satisfies Constraints",
        "Throughput (infer/sec)",
        "p99 Latency (ms)",
    ]
    assert {row[3] for row in rows[1:]} >= {f"{model}_config_default"}
