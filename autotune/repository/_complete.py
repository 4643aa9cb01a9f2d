"""Completes a config without inputs or outputs as Triton's ``onnxruntime`` backend does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autotune.repository._onnx import UNSUPPORTED_DATATYPE

if TYPE_CHECKING:
    from autotune.repository._config import ModelConfig
    from autotune.repository._spec import ModelSpec, TensorSpec

_BACKENDS = {"", "onnxruntime", "onnxruntime_onnx"}
_SCHEDULERS = ("dynamic_batching", "sequence_batching", "ensemble_scheduling")


def completed_config(spec: ModelSpec) -> ModelConfig:
    """The model's config as Triton serves it, completed by the ``onnxruntime`` backend.

    If inputs or outputs are missing, the backend also switches dynamic batching on, unless a scheduler is chosen. It
    does not change a complete config, so dynamic batching can be switched off in the config returned here. The config
    is returned unchanged if it is complete, if the model is not an ONNX model, if the server completes none, or if the
    backend would refuse it.

    Source: https://github.com/triton-inference-server/onnxruntime_backend, ``AutoCompleteConfig``.
    """
    config = spec.config
    if not spec.completion.on:
        return config
    missing = [
        (kind, tensors) for kind, tensors in (("input", spec.inputs), ("output", spec.outputs)) if not config.has(kind)
    ]
    if not missing or {config.backend, config.platform} - _BACKENDS:
        return config
    if any(not tensors or _has_unsupported(tensors) for _, tensors in missing):
        return config
    if spec.batch_dimension == "dynamic":
        if config.max_batch_size == 0:
            config = config.with_value("max_batch_size", spec.completion.max_batch_size)
        if config.max_batch_size > 1 and not any(config.has(scheduler) for scheduler in _SCHEDULERS):
            config = config.with_value("dynamic_batching", {})
    elif config.max_batch_size > 0:
        return config
    for kind, tensors in missing:
        config = config.with_value(kind, [_described(each, config.max_batch_size > 0) for each in tensors])
    return config if config.backend or config.platform else config.with_value("backend", "onnxruntime")


def _has_unsupported(tensors: tuple[TensorSpec, ...]) -> bool:
    return any(tensor.datatype == UNSUPPORTED_DATATYPE for tensor in tensors)


def _described(tensor: TensorSpec, batched: bool) -> dict[str, Any]:
    dims = list(tensor.shape[1:] if batched else tensor.shape)
    described: dict[str, Any] = {
        "name": tensor.name,
        "data_type": f"TYPE_{tensor.datatype.replace('BYTES', 'STRING')}",
        "dims": dims or [1],
    }
    if batched and not dims:  # clients see [1] after the batch dimension, the model has nothing there
        described["reshape"] = {"shape": []}
    return described
