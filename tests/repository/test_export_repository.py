"""An exported repository serves the tuned configs on its own: without the study and the person's repository."""

import shutil
import subprocess
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from stored_trials import HERE, begin, outcome
from tritonclient import http

from autotune.cli import main
from autotune.repository import ModelRepository, content_digest
from autotune.server import LaunchOptions, choose_launcher
from autotune.store import Store, database_url

TENSORS = (
    "max_batch_size: 8  # agreed\n"
    'input [ { name: "x" data_type: TYPE_FP32 dims: [ 4 ] } ]\n'
    'output [ { name: "y" data_type: TYPE_FP32 dims: [ 4 ] } ]\n'
)
GROUP = "instance_group [ { count: 1 kind: KIND_CPU } ]  # one is enough\n"
SCALES = """
from pathlib import Path

import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        beside = Path(args["model_repository"]).parent / "shared" / "factor.txt"
        self.factor = float(beside.read_text())

    def execute(self, requests):
        inputs = [pb_utils.get_input_tensor_by_name(request, "x").as_numpy() for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", x * x.dtype.type(self.factor))]) for x in inputs]
"""
STEPS = """
ensemble_scheduling { step [
  { model_name: "first" model_version: -1
    input_map { key: "x" value: "x" } output_map { key: "y" value: "between" } },
  { model_name: "second" model_version: -1
    input_map { key: "x" value: "between" } output_map { key: "y" value: "y" } }
] }
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    models = tmp_path / "models"
    for name in ("first", "second"):
        (models / name / "1").mkdir(parents=True)
        (models / name / "1" / "model.py").write_text(SCALES)
        (models / name / "config.pbtxt").write_text(f'backend: "python"\n{TENSORS}{GROUP}')
    (models / "both" / "1").mkdir(parents=True)
    (models / "both" / "config.pbtxt").write_text(f'platform: "ensemble"\n{TENSORS}{STEPS}')
    (models / "shared").mkdir()  # not a model, but read by one
    (models / "shared" / "factor.txt").write_text("3")
    return models


def store_study(repository: Path, results: Path) -> None:
    """A study of two trials, as found and with two instances of each step, without the time to measure them."""
    specs = [ModelRepository(repository).model(name) for name in ("both", "first", "second")]
    launcher, _ = choose_launcher("embedded", LaunchOptions())
    environment = replace(HERE, launch=launcher.describe(), model_digest="+".join(map(content_digest, specs)))
    with closing(Store.open(database_url(results))) as store:
        record, _ = begin(store, model="both", environment=environment, repository=str(repository))
        for count in (1, 2):
            found = {spec.name: spec.config for spec in specs}
            configs = {
                name: (config.with_value("instance_group.count", count) if config.instance_count else config).to_text()
                for name, config in found.items()
            }
            store.save_trial(record, count - 1, "baseline" if count == 1 else "proposed", outcome(configs=configs))


def test_it_loads_in_a_fresh_server_and_serves_the_tuned_configs(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--results", str(tmp_path / "results"), "--launch", "embedded")
    store_study(repository, tmp_path / "results")
    out = tmp_path / "out"
    assert main(["export", "--trial", "1", "--to", str(out), *where, "--format", "compose"]) == 0
    printed = capsys.readouterr()
    assert f"wrote {out}: both, first, second\n" in printed.out
    assert "checked, it loads: embedded, Triton 2." in printed.out
    assert f"-v {out}:/models:ro nvcr.io/nvidia/tritonserver:24.10-py3 tritonserver" in printed.out
    assert printed.err == (
        "note: the study measured embedded Triton, not the image nvcr.io/nvidia/tritonserver:24.10-py3\n"
    )
    (composed,) = yaml.safe_load((out / "compose.yaml").read_text())["services"].values()
    healthy = composed["healthcheck"]["test"]

    (repository / "second" / "1" / "model.py").write_text("raise ValueError('no weights here')")
    broken = tmp_path / "broken"
    assert main(["export", "--to", str(broken), *where]) == 1
    assert "no weights here" in (complaint := capsys.readouterr().err)
    assert "nothing was written" in complaint
    assert main(["export", "--to", str(broken / "unchecked"), *where, "--no-check"]) == 0
    assert "note: the model files are not those that the study measured" in capsys.readouterr().err
    assert [entry.name for entry in broken.iterdir()] == ["unchecked"]

    for each in (repository, tmp_path / "results", broken):
        shutil.rmtree(each)
    launcher, _ = choose_launcher("embedded", LaunchOptions())
    with launcher.launch(out, "both", tmp_path / "fresh.log", ["first", "second"]) as server:
        groups = [server.model_config(name)["instance_group"] for name in ("first", "second")]
        assert [group[0]["count"] for group in groups] == [2, 2]  # type: ignore[index]
        for path, code in (("ready", 0), ("unknown", 1)):
            check = [each.replace("8000", str(server.endpoint.http_port)).replace("ready", path) for each in healthy]
            assert subprocess.run(check[1:], check=False, timeout=10).returncode == code
        client = http.InferenceServerClient(f"127.0.0.1:{server.endpoint.http_port}")
        tensor = http.InferInput("x", [1, 4], "FP32")
        tensor.set_data_from_numpy(np.ones((1, 4), np.float32))
        assert client.infer("both", [tensor]).as_numpy("y").tolist() == [[9.0] * 4]
        client.close()
    text = (out / "first" / "config.pbtxt").read_text()
    assert text.startswith("# first, for both: ")
    assert TENSORS + GROUP.replace("count: 1", "count: 2") in text
