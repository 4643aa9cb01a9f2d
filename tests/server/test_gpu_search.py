"""Searches whose instances are all on GPUs, where a launch mode finds none or cannot use it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from autotune.errors import UsageError
from autotune.repository import ModelConfig, ModelSpec
from autotune.server import check_gpu_search


def spec(backend: str) -> ModelSpec:
    config = ModelConfig.parse(f'name: "net" backend: "{backend}"', "config.pbtxt")
    return ModelSpec("net", Path("net"), config, has_config=True, batch_dimension="dynamic", versions=(1,))


def launcher(finds: bool | None, computes: bool | None) -> Any:
    return SimpleNamespace(name="embedded", finds_gpu=lambda: finds, has_gpu=lambda: computes)


@pytest.mark.parametrize(
    ("backend", "finds", "computes", "found"),
    [
        ("python", False, False, "no GPU was found with --launch embedded"),
        ("onnxruntime", False, False, "no GPU was found with --launch embedded"),
        ("onnxruntime", True, False, "--launch embedded computes ONNX models on CPUs only"),
    ],
)
def test_a_search_on_gpus_alone_is_refused_with_what_was_found(
    backend: str, finds: bool, computes: bool, found: str
) -> None:
    with pytest.raises(UsageError, match=f"^--search-space: its instance_kind is KIND_GPU, but {found}; search"):
        check_gpu_search(launcher(finds, computes), spec(backend), ("KIND_GPU",))


@pytest.mark.parametrize(
    ("backend", "finds", "computes", "kinds"),
    [
        ("python", True, False, ("KIND_GPU",)),
        ("onnxruntime", True, True, ("KIND_GPU",)),
        ("onnxruntime", None, None, ("KIND_GPU",)),  # of a remote server it cannot be seen
        ("onnxruntime", False, False, ("KIND_CPU", "KIND_GPU")),
        ("onnxruntime", False, False, ()),
    ],
)
def test_other_searches_are_not(
    backend: str, finds: bool | None, computes: bool | None, kinds: tuple[str, ...]
) -> None:
    check_gpu_search(launcher(finds, computes), spec(backend), kinds)
