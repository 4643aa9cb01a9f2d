"""Entries of input data as requests to one model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autotune.load.payload._show import written
from autotune.load.payload._types import Payload, Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from autotune.load.payload._entry import Entry
    from autotune.load.payload._model_inputs import ModelInput

    _Item = tuple[str, Mapping[str, NDArray[np.generic]]]


def requests_of(model: str, inputs: Sequence[ModelInput], stream: Sequence[Entry]) -> tuple[Payload, ...]:
    """The requests that a stream's entries make, in its order.

    A request of several inferences holds as many consecutive entries; the last one is filled up from the beginning.

    Args:
        model: The model's name.
        inputs: Its inputs, which know how many inferences a request holds.
        stream: At least one entry.

    Raises:
        ValueError: An entry does not fit the model, or does not fit the others of its request; names it and the input.
    """
    batch_size = inputs[0].batch_size if inputs else 1
    items = [(entry.where, _items(entry, inputs)) for entry in stream]
    return tuple(
        _payload(model, inputs, [items[(start + offset) % len(items)] for offset in range(batch_size)])
        for start in range(0, len(items), batch_size)
    )


def _items(entry: Entry, inputs: Sequence[ModelInput]) -> dict[str, NDArray[np.generic]]:
    """Input name to one inference's data."""
    for each in inputs:
        if each.name not in entry.tensors and not each.optional:
            raise ValueError(f"{entry.where}: input {each.name!r} is missing; every entry needs all inputs")
    items = {}
    for each in inputs:
        if each.name in entry.tensors:
            try:
                items[each.name] = entry.tensors[each.name].item(each)
            except ValueError as error:
                raise ValueError(f"{entry.where}: input {each.name!r}: {error}") from None
    return items


def _payload(model: str, inputs: Sequence[ModelInput], items: Sequence[_Item]) -> Payload:
    first_name, first = items[0]
    for name, item in items[1:]:
        if item.keys() != first.keys():
            raise ValueError(f"{name}: has other inputs than {first_name} in the same request; use --batch-size 1")
        for key, data in item.items():
            if data.shape != first[key].shape:
                raise ValueError(
                    f"{name}: input {key!r} has the shape {written(data.shape)}, {first_name} in the same request"
                    f" {written(first[key].shape)}; give them one shape, or use --batch-size 1"
                )
    tensors = []
    for each in inputs:
        if each.name in first:
            data = np.stack([item[each.name] for _, item in items]) if each.batched else first[each.name]
            tensors.append(Tensor(each.name, each.datatype, data))
    return Payload(model, tuple(tensors), len(items))
