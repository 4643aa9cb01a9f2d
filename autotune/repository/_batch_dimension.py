"""Checks that an ONNX file has the batch dimension that a config says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autotune.errors import UsageError

if TYPE_CHECKING:
    from autotune.repository._config import ModelConfig
    from autotune.repository._spec import ModelSpec

_BACKENDS = {"", "onnxruntime", "onnxruntime_onnx"}


def check_batch_dimension(spec: ModelSpec, config: ModelConfig) -> None:
    """Raises `UsageError` with the remedy if the config batches and the ONNX file has a fixed first dimension.

    Triton's ``onnxruntime`` backend loads no such model, whatever else the config says.

    Source: https://github.com/triton-inference-server/onnxruntime_backend, release r24.10, ``CompareDimsSupported``.

    Args:
        spec: The model.
        config: The config to be served.
    """
    if spec.onnx is None or config.max_batch_size == 0 or {config.backend, config.platform} - _BACKENDS:
        return
    listed = {each.get("name") for field in ("input", "output") for each in config.value(field) or ()}
    complete = config.has("input") and config.has("output")
    for tensor in (*spec.inputs, *spec.outputs):
        if tensor.shape and tensor.shape[0] != -1 and (tensor.name in listed or not complete):
            dims = ", ".join(map(str, tensor.shape))
            raise UsageError(
                f"--model: {spec.name}: max_batch_size is {config.max_batch_size}, but the first dimension of"
                f" {tensor.name!r} in its ONNX file is fixed at {tensor.shape[0]}; export it with a dynamic one, or"
                f" write max_batch_size: 0 and dims: [ {dims} ]"
            )
