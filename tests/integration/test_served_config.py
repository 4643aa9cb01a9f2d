"""Models that change the config they are served with: what is recorded, reported and exported is what was served.

Triton 2.51, Python backend: a model's ``set_max_batch_size(n)`` raises a smaller written value to n and refuses a
larger one, and its ``set_dynamic_batching()`` switches the batcher on where the config has none
(``triton_python_backend_utils.py``).
"""

import json
import shutil
from pathlib import Path

import pytest
from tiny_models import write_double, write_model

from autotune.cli import main
from autotune.repository import ModelConfig, ModelRepository, completed_config
from autotune.server import completion

MODELS = Path(__file__).parents[2] / "model_repository"
_RAISES_TO_4 = """
import time

import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config):
        config.add_input({"name": "signal", "data_type": "TYPE_FP32", "dims": [4]})
        config.add_output({"name": "level", "data_type": "TYPE_FP32", "dims": [1]})
        config.set_max_batch_size(4)
        config.set_dynamic_batching()
        return config

    def execute(self, requests):
        time.sleep(0.001)
        return [
            pb_utils.InferenceResponse([pb_utils.Tensor("level", signal.max(axis=1, keepdims=True))])
            for signal in (pb_utils.get_input_tensor_by_name(each, "signal").as_numpy() for each in requests)
        ]
"""
_CONFIG = 'name: "levels"\nbackend: "python"\ninstance_group { count: 1 kind: KIND_CPU }\n'
_NAMED = """
name: "double" backend: "python" max_batch_size: 4 dynamic_batching { }
input { name: "input" data_type: TYPE_FP32 dims: [ 4 ] }
output { name: "output" data_type: TYPE_FP32 dims: [ 4 ] }
instance_group { count: 2 kind: KIND_CPU }
"""
_BRIEFLY = ("--concurrency", "1", "--duration", "100ms", "--json")
_WHO = "levels: the model's auto_complete_config raises max_batch_size to 4 and switches dynamic batching on"


@pytest.fixture
def where(tmp_path: Path) -> tuple[str, ...]:
    write_model(tmp_path / "repo", "levels", _CONFIG, _RAISES_TO_4)
    results = tmp_path / "results"
    return ("--model-repository", str(tmp_path / "repo"), "--launch", "embedded", "--results", str(results))


def test_trials_are_what_was_served_and_what_is_served_alike_counts_once(
    tmp_path: Path, where: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    space = tmp_path / "space.yaml"
    space.write_text("parameters:\n  max_batch_size: [2, 3, 4, 8]\n")
    flags = ("--p90", "20ms", "--window", "50ms", "--sampler", "grid", "--final-rounds", "0", "--json")
    assert main(["run", *where, "--search-space", str(space), *flags]) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert err.count(_WHO) == 1

    baseline, raised, refused = result["trials"]  # as found, asked for 2, asked for 8
    for trial in (baseline, raised):
        config = ModelConfig.parse(trial["config"], "trial")
        assert (config.max_batch_size, config.value("dynamic_batching.preferred_batch_size")) == (4, (4,))
    assert raised["parameters"] == {"max_batch_size": 4}
    assert next(each["asked"] for each in raised["served_otherwise"] if each["path"] == "max_batch_size") == 2
    assert refused["outcome"] == "failed to load"
    assert "max_batch_size 8" in refused["message"]
    assert "specified max_batch_size 4" in refused["message"]

    for skipped in (2, 3):  # asked for 3 and 4
        assert f"trial {skipped}: Triton serves its config like that of trial" in err
    assert result["best"]["number"] == baseline["number"]
    exported = Path(result["config_path"]).read_text()
    assert f"# As served: {_WHO.removeprefix('levels: ')}.\n" in exported
    assert ModelConfig.parse(exported, "export") == ModelConfig.parse(baseline["config"], "trial")


def test_measure_reports_the_served_config_and_says_who_decides(
    tmp_path: Path, where: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = tmp_path / "asked.pbtxt"
    asked.write_text(_CONFIG + "max_batch_size: 2\n")
    flags = ("--model-config", str(asked), "--concurrency", "8", "--duration", "200ms", "--json")
    assert main(["measure", *where, *flags]) == 0
    out, err = capsys.readouterr()
    assert err.count(_WHO) == 1
    (probe,) = (result := json.loads(out))["probes"]
    assert ModelConfig.parse(result["config_text"], "measured").max_batch_size == 4
    assert max(int(size) for size in probe["server"]["batch_executions"]) > 2  # as it was asked for, it is at most 2


def test_a_config_by_name_is_the_baseline_and_trials_serve_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = write_double(tmp_path / "repo") / "configs" / "bigbox.pbtxt"
    named.parent.mkdir()
    named.write_text(_NAMED)
    where = ("--model-repository", str(tmp_path / "repo"), "--launch", "embedded", "--results", str(tmp_path / "out"))
    assert main(["measure", *where, "--triton-arg=--model-config-name=bigbox", *_BRIEFLY]) == 0
    out, err = capsys.readouterr()
    assert ModelConfig.parse(json.loads(out)["config_text"], "x") == ModelConfig.parse(_NAMED, "x")
    assert "double: its config is configs/bigbox.pbtxt (--model-config-name)" in err

    asked = tmp_path / "asked.pbtxt"
    asked.write_text(_NAMED.replace("count: 2", "count: 1"))
    flags = ("--model-config", str(asked), "--triton-arg=--model-config-name=bigbox", *_BRIEFLY)
    assert main(["measure", *where, *flags]) == 0
    served = ModelConfig.parse(json.loads(capsys.readouterr().out)["config_text"], "x")
    assert served == ModelConfig.parse(asked.read_text(), "x")  # and not what Triton would read by that name


@pytest.mark.parametrize(
    ("argument", "batch"),
    [
        ("--backend-config=default-max-batch-size=6", 6),
        ("--backend-config=onnxruntime,default-max-batch-size=3", 3),
    ],
)
def test_the_default_batch_size_is_the_servers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], argument: str, batch: int
) -> None:
    shutil.copytree(MODELS / "iris", tmp_path / "repo" / "iris")
    config = tmp_path / "repo" / "iris" / "config.pbtxt"
    config.write_text('name: "iris" backend: "onnxruntime" instance_group { count: 1 kind: KIND_CPU }')
    where = ("--model-repository", str(tmp_path / "repo"), "--launch", "embedded", "--results", str(tmp_path / "out"))
    assert main(["measure", *where, f"--triton-arg={argument}", *_BRIEFLY]) == 0
    out, err = capsys.readouterr()
    served = ModelConfig.parse(json.loads(out)["config_text"], "x")
    assert (served.max_batch_size, served.dynamic_batching) == (batch, True)
    assert f"the onnxruntime backend raises max_batch_size to {batch} and switches dynamic batching on" in err
    completed = completed_config(ModelRepository(tmp_path / "repo", completion=completion((argument,))).only_model())
    assert completed.max_batch_size == batch  # candidates start from the same
