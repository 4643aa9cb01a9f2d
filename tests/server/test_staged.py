"""GPUs are kept from a server only where nothing on it could use them."""

from pathlib import Path

import pytest
from tiny_models import onnx_config, write_double, write_model, write_onnx

from autotune.server._embedded import server_environment
from autotune.server._staged import is_onnx_only

_ENSEMBLE = 'platform: "ensemble" ensemble_scheduling { step { model_name: "negate" model_version: -1 } }'


def test_onnx_models_and_their_ensemble(tmp_path: Path) -> None:
    write_onnx(tmp_path, "negate", onnx_config())
    write_onnx(tmp_path, "bare", None)
    write_onnx(tmp_path, "short", "max_batch_size: 4")
    write_model(tmp_path, "whole", _ENSEMBLE)
    assert is_onnx_only(tmp_path)


@pytest.mark.parametrize("group", ["count: 1 kind: KIND_GPU", "count: 1 gpus: 0"])
def test_an_onnx_model_that_asks_for_a_gpu(tmp_path: Path, group: str) -> None:
    write_onnx(tmp_path, "negate", f"{onnx_config()} instance_group {{ {group} }}")
    assert not is_onnx_only(tmp_path)


@pytest.mark.parametrize("config", [None, "max_batch_size: eight", "max_batch_size: 4"])
def test_gpus_stay_visible_if_another_model_may_use_them(tmp_path: Path, config: str | None) -> None:
    write_onnx(tmp_path, "negate", onnx_config())
    write_model(tmp_path, "other", config)
    assert not is_onnx_only(tmp_path)


def test_a_python_model_beside_an_onnx_model(tmp_path: Path) -> None:
    write_onnx(tmp_path, "negate", onnx_config())
    write_double(tmp_path)
    assert not is_onnx_only(tmp_path)


def test_the_embedded_server_hides_gpus_if_it_serves_only_onnx_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    write_onnx(tmp_path, "negate", onnx_config())
    assert server_environment(tmp_path)["CUDA_VISIBLE_DEVICES"] == ""
    write_double(tmp_path)
    assert server_environment(tmp_path)["CUDA_VISIBLE_DEVICES"] == "1"
