"""Values that Triton would serve alike collapse to one.

* A batch of one cannot be batched: with ``max_batch_size`` 1 the dynamic batcher is switched off (if the
  space allows) and its queue delay and preferred sizes have no effect.
* Without dynamic batching, the queue delay, the preferred sizes and ``max_batch_size`` have no effect: a study offers
  requests of one inference, which are then never batched. ``max_batch_size`` is the largest of the space, and the
  config keeps its own.
* A preferred size over ``max_batch_size`` can never be formed (Triton refuses to load it): it is dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autotune.space._parameter import (
    DYNAMIC_BATCHING,
    MAX_BATCH_SIZE,
    NO_PREFERENCE,
    PREFERRED,
    QUEUE_DELAY,
    Parameter,
    preferred_sizes,
    preferred_text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autotune.space._candidate import ParameterValue

NO_DELAY = 0


def batcher_is_implied(parameters: Sequence[Parameter]) -> bool:
    """Whether the space searches settings of the dynamic batcher without switching it: it is then always on."""
    return any(each.needs_batcher for each in parameters) and all(each.name != DYNAMIC_BATCHING for each in parameters)


def largest_batch(parameter: Parameter) -> int:
    """The largest ``max_batch_size`` of the space."""
    return max(int(str(choice)) for choice in parameter.choices)


def effective_values(
    parameters: Sequence[Parameter], values: Mapping[str, ParameterValue], max_batch_size: int | None
) -> dict[str, ParameterValue]:
    """The values in the parameters' order, those without effect at their canonical value.

    Args:
        parameters: The space's parameters.
        values: A value for each of them, by name.
        max_batch_size: The model's, if the space does not search it; None if it is not known.
    """
    batch = values.get(MAX_BATCH_SIZE, max_batch_size)
    one_at_a_time = isinstance(batch, int) and batch <= 1
    on = values.get(DYNAMIC_BATCHING)
    result: dict[str, ParameterValue] = {}
    for parameter in parameters:
        if parameter.name == DYNAMIC_BATCHING and one_at_a_time and parameter.has(False):
            on = False
    for parameter in parameters:
        name, value = parameter.name, values[parameter.name]
        if name == MAX_BATCH_SIZE and on is False:
            value = largest_batch(parameter)
        elif name == DYNAMIC_BATCHING:
            value = on
        elif name == QUEUE_DELAY and (on is False or one_at_a_time):
            value = NO_DELAY
        elif name == PREFERRED:
            limit = batch if isinstance(batch, int) else None
            active = on is not False and not one_at_a_time
            value = preferred_text(preferred_sizes(value, limit)) if active else NO_PREFERENCE
        elif parameter.needs_batcher and parameter.is_field and on is False:
            value = parameter.choices[0]
        result[name] = value
    return result
