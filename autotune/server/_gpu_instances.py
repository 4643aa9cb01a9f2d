"""Instances on GPUs, asked for where Triton finds none: it refuses every such config."""

from __future__ import annotations

from autotune.errors import UsageError
from autotune.repository import ModelConfig
from autotune.server._types import Launcher


def check_gpu_instances(launcher: Launcher, model: str, config: ModelConfig) -> None:
    """Raises `UsageError` with the remedy if the config places instances on GPUs and there is none; starts nothing.

    Triton treats a group that names GPUs and no kind like one of KIND_GPU.
    """
    groups = config.value("instance_group") or ()
    for index, group in enumerate(groups):
        kind = group.get("kind", "KIND_AUTO")
        on_gpus = kind == "KIND_GPU" or (kind == "KIND_AUTO" and group.get("gpus"))
        if on_gpus and launcher.finds_gpu() is False:
            raise UsageError(
                f"--launch {launcher.name}: instance_group[{index}] of {model!r} is on GPUs, Triton finds none there"
                "; write kind: KIND_CPU without gpus in its config.pbtxt, or search instance_kind: KIND_CPU"
                " (under 'parameters:' of a --search-space file)"
            )
