"""The values of a candidate as its config was served, where the model or the server changed them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autotune.space._effective import NO_DELAY, effective_values
from autotune.space._parameter import (
    DYNAMIC_BATCHING,
    INSTANCE_COUNT,
    INSTANCE_KIND,
    MAX_BATCH_SIZE,
    PREFERRED,
    QUEUE_DELAY,
    Parameter,
    preferred_text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autotune.repository import ModelConfig
    from autotune.space._candidate import ParameterValue


def served_values(
    parameters: Sequence[Parameter],
    values: Mapping[str, ParameterValue],
    asked: ModelConfig,
    served: ModelConfig,
    max_batch_size: int | None,
) -> dict[str, ParameterValue]:
    """The candidate's ``values``, those that ``asked`` and ``served`` do not share as served.

    They need not be among a parameter's choices. If one is changed, values without effect hold their canonical value.

    Args:
        parameters: The space's parameters.
        values: The candidate's.
        asked: Its config.
        served: That config as served.
        max_batch_size: The model's, if the space does not search it; None if it is not known.
    """
    result = dict(values)
    for parameter in parameters:
        value = _read(parameter.name, served)
        if value != _read(parameter.name, asked):
            result[parameter.name] = value
    if result == dict(values):
        return result
    effective = effective_values(parameters, result, max_batch_size)
    return effective if effective.get(MAX_BATCH_SIZE) == result.get(MAX_BATCH_SIZE) else result


def _read(name: str, config: ModelConfig) -> ParameterValue:
    if name == MAX_BATCH_SIZE:
        return config.max_batch_size
    if name == DYNAMIC_BATCHING:
        return config.dynamic_batching
    if name == QUEUE_DELAY:
        return config.value("dynamic_batching.max_queue_delay_microseconds") or NO_DELAY
    if name == PREFERRED:
        sizes = tuple(sorted(config.value("dynamic_batching.preferred_batch_size") or ()))
        return preferred_text(() if sizes == (config.max_batch_size,) else sizes)  # it is Triton's default
    paths = {INSTANCE_COUNT: "instance_group.count", INSTANCE_KIND: "instance_group.kind"}
    value: Any = config.value(paths.get(name, name))
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
