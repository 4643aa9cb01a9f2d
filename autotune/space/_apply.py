"""From a candidate to a config, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autotune.space._effective import NO_DELAY, batcher_is_implied, effective_values
from autotune.space._parameter import (
    DYNAMIC_BATCHING,
    INSTANCE_COUNT,
    INSTANCE_KIND,
    KEEP_KIND,
    MAX_BATCH_SIZE,
    PREFERRED,
    QUEUE_DELAY,
    Parameter,
    preferred_sizes,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autotune.repository import ModelConfig
    from autotune.space._candidate import ParameterValue

_DELAY_PATH = "dynamic_batching.max_queue_delay_microseconds"
_PREFERRED_PATH = "dynamic_batching.preferred_batch_size"
_OLDEST_PREFERRED_PATH = "sequence_batching.oldest.preferred_batch_size"
_TWO_INSTANCES_ON_CPU = ("onnxruntime", "tensorflow")


def apply_values(
    parameters: Sequence[Parameter], values: Mapping[str, ParameterValue], base: ModelConfig
) -> ModelConfig:
    """``base`` with the effective ``values`` of a candidate in place; everything else of it is kept."""
    config = base
    batcher = values.get(DYNAMIC_BATCHING, True if batcher_is_implied(parameters) else None)
    if MAX_BATCH_SIZE in values and (batcher is not False or not base.max_batch_size):
        config = _with_max_batch_size(config, int(str(values[MAX_BATCH_SIZE])))
    if batcher is False:
        config = config.without("dynamic_batching")
    elif batcher is True and not config.dynamic_batching:
        config = config.with_value("dynamic_batching", {})
    if batcher is not False:
        config = _with_batcher_settings(config, values)
    if INSTANCE_COUNT in values:
        config = config.with_value("instance_group.count", values[INSTANCE_COUNT])
    kind = values.get(INSTANCE_KIND, KEEP_KIND)
    if kind != KEEP_KIND:
        config = config.with_value("instance_group.kind", kind)
        if kind != "KIND_GPU":
            config = config.without("instance_group.gpus")
    for parameter in parameters:
        if parameter.is_field and not (batcher is False and parameter.needs_batcher):
            setting = parameter.settings[parameter.index(values[parameter.name])]
            config = _with_field(config, parameter.name, setting)
    return config


def _with_field(config: ModelConfig, path: str, setting: Any) -> ModelConfig:
    """The config with one field set, or, for None, unset: a list element left with nothing goes with it."""
    if setting is not None:
        return config.with_value(path, setting)
    config = config.without(path)
    element = path.rpartition(".")[0]
    is_empty = element.endswith("]") and not element.startswith("instance_group") and config.value(element) == {}
    return config.without(element) if is_empty else config


def locate_values(
    parameters: Sequence[Parameter], config: ModelConfig, max_batch_size: int | None
) -> dict[str, ParameterValue] | None:
    """The effective values that a config has; None if one of them is not in the space."""
    values: dict[str, ParameterValue] = {}
    batch = config.max_batch_size
    searches_batch = any(each.name == MAX_BATCH_SIZE for each in parameters)
    one_at_a_time = batch == 1 or (batch == 0 and not searches_batch and max_batch_size is not None)
    if batcher_is_implied(parameters) and not config.dynamic_batching:
        return None
    unbatched = any(each.name == DYNAMIC_BATCHING and each.has(False) for each in parameters) and not (
        config.dynamic_batching
    )
    for parameter in parameters:
        if parameter.name == MAX_BATCH_SIZE and unbatched and batch > 0:
            values[parameter.name] = parameter.choices[0]
            continue
        if parameter.name == DYNAMIC_BATCHING and one_at_a_time and not parameter.has(config.dynamic_batching):
            values[parameter.name] = parameter.choices[0]
            continue
        idle = parameter.needs_batcher and (not config.dynamic_batching or (one_at_a_time and not parameter.is_field))
        value = parameter.choices[0] if idle else _read(parameter, config)
        if value is _ELSEWHERE:
            return None
        values[parameter.name] = value
    return effective_values(parameters, values, max_batch_size)


_ELSEWHERE: Any = object()
"""What a parameter has in a config that lies outside the space."""


def _read(parameter: Parameter, config: ModelConfig) -> Any:
    name = parameter.name
    if name == PREFERRED:
        return _read_preferred(parameter, config)
    if parameter.is_field:
        return _read_field(parameter, config)
    if name == INSTANCE_KIND:
        return _read_kind(parameter, config)
    if name == INSTANCE_COUNT:
        value = config.value("instance_group.count") or _default_count(config)
    elif name == QUEUE_DELAY:
        value = config.value(_DELAY_PATH) or NO_DELAY
    else:
        value = config.dynamic_batching if name == DYNAMIC_BATCHING else config.max_batch_size
    return value if isinstance(value, int) and parameter.has(value) else _ELSEWHERE


def _read_preferred(parameter: Parameter, config: ModelConfig) -> Any:
    limit = config.max_batch_size or None
    sizes = tuple(sorted(config.value(_PREFERRED_PATH) or ()))
    if limit is not None and any(size > limit for size in sizes):
        return _ELSEWHERE
    return next((choice for choice in parameter.choices if preferred_sizes(choice, limit) == sizes), _ELSEWHERE)


def _read_kind(parameter: Parameter, config: ModelConfig) -> Any:
    kind = config.value("instance_group.kind")
    if isinstance(kind, str) and kind != "KIND_AUTO" and parameter.has(kind):
        return kind
    return KEEP_KIND if parameter.has(KEEP_KIND) else _ELSEWHERE


def _read_field(parameter: Parameter, config: ModelConfig) -> Any:
    path, found = parameter.name, config.value(parameter.name)
    for choice, setting in zip(parameter.choices, parameter.settings, strict=True):
        if setting is not None and found == config.with_value(path, setting).value(path):
            return choice
    return None if None in parameter.choices and not config.has(path) else _ELSEWHERE


def _default_count(config: ModelConfig) -> int | None:
    """Instances if the config does not say; None if it depends on the machine.

    Triton starts one instance, but two on a CPU for its ONNX Runtime and TensorFlow backends, and whether an
    instance is on a GPU depends on the machine unless its kind is given.
    """
    backend = config.backend or config.platform
    if backend and not backend.startswith(_TWO_INSTANCES_ON_CPU):
        return 1
    return 1 if config.value("instance_group.kind") == "KIND_GPU" else None


def _with_max_batch_size(config: ModelConfig, size: int) -> ModelConfig:
    """The config with another largest batch, and what Triton would refuse beside it cut down to it."""
    if config.max_batch_size == 0:
        config = _with_batch_dimension_implied(config)
    config = config.with_value("max_batch_size", size)
    for path in (_PREFERRED_PATH, _OLDEST_PREFERRED_PATH):
        config = _without_larger(config, path)
    for index, warmup in enumerate(config.value("model_warmup") or ()):
        if warmup.get("batch_size", 0) > size:
            config = config.with_value(f"model_warmup[{index}].batch_size", size)
    return config


def _with_batch_dimension_implied(config: ModelConfig) -> ModelConfig:
    """Leaves the leading -1 of every tensor's dims out: beside ``max_batch_size: 0`` it stands for the batch.

    Clients see the same shapes as before.
    """
    for field in ("input", "output"):
        for index, tensor in enumerate(config.value(field) or ()):
            dims = tensor.get("dims", ())
            if dims[:1] == (-1,):
                config = config.with_value(f"{field}[{index}].dims", list(dims[1:]))
    return config


def _with_batcher_settings(config: ModelConfig, values: Mapping[str, ParameterValue]) -> ModelConfig:
    if QUEUE_DELAY in values:
        delay = values[QUEUE_DELAY]
        config = config.with_value(_DELAY_PATH, delay) if delay != NO_DELAY else config.without(_DELAY_PATH)
    if PREFERRED in values:
        sizes = preferred_sizes(values[PREFERRED], config.max_batch_size or None)
        config = config.with_value(_PREFERRED_PATH, sizes) if sizes else config.without(_PREFERRED_PATH)
    return config


def _without_larger(config: ModelConfig, path: str) -> ModelConfig:
    sizes = config.value(path) or ()
    kept = [size for size in sizes if size <= config.max_batch_size]
    return config if len(kept) == len(sizes) else config.with_value(path, kept)
