"""What the ``onnxruntime`` backend fills in is known before a server is started."""

from pathlib import Path

import pytest
from tiny_models import onnx_config, write_double, write_onnx

from autotune.repository import ModelConfig, ModelRepository, completed_config


def completed(repository: Path) -> ModelConfig:
    return completed_config(ModelRepository(repository).only_model())


def test_model_without_config_gets_tensors_batch_size_and_batcher(tmp_path: Path) -> None:
    write_onnx(tmp_path, "m", None, element="STRING")
    config = completed(tmp_path)
    assert config.value("input") == ({"name": "input", "data_type": "TYPE_STRING", "dims": (4,)},)
    assert config.value("output") == ({"name": "output", "data_type": "TYPE_STRING", "dims": (4,)},)
    assert (config.backend, config.max_batch_size, config.dynamic_batching) == ("onnxruntime", 4, True)


@pytest.mark.parametrize(
    ("given", "batcher"),
    [("max_batch_size: 1", False), ("max_batch_size: 8", True), ("max_batch_size: 8 sequence_batching { }", False)],
)
def test_dynamic_batching_is_added_if_the_model_batches_and_has_no_scheduler(
    tmp_path: Path, given: str, batcher: bool
) -> None:
    write_onnx(tmp_path, "m", f'platform: "onnxruntime_onnx" {given}')
    config = completed(tmp_path)
    assert config.dynamic_batching is batcher
    assert config.has("input")
    assert config.backend == ""


def test_fixed_batch_keeps_its_whole_shape(tmp_path: Path) -> None:
    write_onnx(tmp_path, "m", None, batch=2)
    config = completed(tmp_path)
    assert config.value("input")[0]["dims"] == (2, 4)
    assert (config.max_batch_size, config.dynamic_batching) == (0, False)


@pytest.mark.parametrize("config", [onnx_config(), 'backend: "openvino"', 'backend: "onnxruntime" max_batch_size: 2'])
def test_a_complete_or_refused_config_is_not_changed(tmp_path: Path, config: str) -> None:
    write_onnx(tmp_path, "m", config, batch=2 if "max_batch_size: 2" in config else "batch")
    spec = ModelRepository(tmp_path).only_model()
    assert completed_config(spec) == spec.config


def test_a_model_of_another_backend_is_not_changed(tmp_path: Path) -> None:
    write_double(tmp_path)
    spec = ModelRepository(tmp_path).only_model()
    assert completed_config(spec) == spec.config
