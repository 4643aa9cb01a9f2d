"""Instances on GPUs, asked for where Triton finds none: it refuses every such config."""

from __future__ import annotations

from collections.abc import Sequence

from autotune.errors import UsageError
from autotune.repository import ModelConfig, ModelSpec
from autotune.server._types import Launcher

_ON_GPU = "KIND_GPU"


def check_gpu_instances(launcher: Launcher, model: str, config: ModelConfig) -> None:
    """Raises `UsageError` with the remedy if the config places instances on GPUs and there is none; starts nothing.

    Triton treats a group that names GPUs and no kind like one of KIND_GPU.
    """
    groups = config.value("instance_group") or ()
    for index, group in enumerate(groups):
        kind = group.get("kind", "KIND_AUTO")
        on_gpus = kind == _ON_GPU or (kind == "KIND_AUTO" and group.get("gpus"))
        if on_gpus and launcher.finds_gpu() is False:
            raise UsageError(
                f"--launch {launcher.name}: instance_group[{index}] of {model!r} asks for GPUs, but Triton finds none"
                " there; write kind: KIND_CPU without gpus in its config.pbtxt, or search instance_kind: KIND_CPU"
                " (under 'parameters:' of a --search-space file)"
            )


def check_gpu_search(launcher: Launcher, spec: ModelSpec, kinds: Sequence[object]) -> None:
    """Raises `UsageError` if every config of a search places instances on GPUs that are not there; starts nothing.

    Args:
        launcher: The launch mode.
        spec: The model.
        kinds: The instance kinds that are searched; none if they are left as they are.
    """
    if not kinds or any(kind != _ON_GPU for kind in kinds):
        return
    found = ""
    if launcher.finds_gpu() is False:
        found = f"no GPU was found with --launch {launcher.name}"
    elif spec.config.is_onnx and launcher.has_gpu() is False:
        found = f"--launch {launcher.name} computes ONNX models on CPUs only"
    if found:
        raise UsageError(
            f"--search-space: its instance_kind is {_ON_GPU}, but {found}; search instance_kind: KIND_CPU (as"
            " search_spaces/onnxruntime_cpu.yaml does), or launch where there is a GPU"
        )
