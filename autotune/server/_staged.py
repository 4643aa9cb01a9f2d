"""Facts about staged models that decide how a server is started."""

from __future__ import annotations

from pathlib import Path

from autotune.errors import UsageError
from autotune.repository import ModelConfig

_CONFIG_FILE = "config.pbtxt"


def staged_config(model: Path) -> ModelConfig | None:
    """The config in a model's directory; None if it is missing or cannot be read."""
    path = model / _CONFIG_FILE
    try:
        return ModelConfig.parse(path.read_text(encoding="utf-8"), path.name)
    except (OSError, UnicodeDecodeError, UsageError):
        return None  # Triton reports the error


def is_onnx_only(repository: Path) -> bool:
    """Whether ONNX Runtime serves every model, and none asks for a GPU; False if that is not certain.

    Ensembles do not count; the models that they call do. Links lead to what is beside the models.
    """
    models = [model for model in repository.iterdir() if model.is_dir() and not model.is_symlink()]
    return any(_is_onnx_on_cpu(model) for model in models) and all(
        _is_onnx_on_cpu(model) or _is_ensemble(model) for model in models
    )


def _is_onnx_on_cpu(model: Path) -> bool:
    config = staged_config(model)
    if config is None:
        return not (model / _CONFIG_FILE).exists() and _holds_onnx(model)
    groups = config.value("instance_group") or ()
    if any(group.get("kind") == "KIND_GPU" or group.get("gpus") for group in groups):
        return False
    return config.is_onnx or (not config.backend and not config.platform and _holds_onnx(model))


def _holds_onnx(model: Path) -> bool:
    """Whether a version has ``model.onnx``; without a backend in the config, Triton then uses ONNX Runtime."""
    return any(model.glob("[0-9]*/model.onnx"))


def _is_ensemble(model: Path) -> bool:
    config = staged_config(model)
    return config is not None and config.has("ensemble_scheduling")
