"""The fixed requests whose answers are compared: of one shape, and as different as the traffic allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from autotune.load.payload import Payload, Tensor, make_payloads, tensor_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autotune.load._traffic import Traffic

DIFFERENT = 4
"""Requests with different data. Guess: enough that rows of one request show among those of others."""

_SEED = 0


def different_payloads(
    metadata: Mapping[str, Any], config: Mapping[str, Any], traffic: Traffic, payloads: Sequence[Payload]
) -> Sequence[Payload]:
    """Requests whose answers can be compared: those of the traffic, or enough different ones where they are random.

    Every second random one has strings of half the length: a model may pad those of a batch to the longest.

    Args:
        metadata: The model's, ``/v2/models/M``.
        config: The config that is served, ``/v2/models/M/config``.
        traffic: The content of requests.
        payloads: The requests that it describes.
    """
    if traffic.input_data != "random":
        return payloads
    more = replace(traffic, payloads=max(DIFFERENT, traffic.payloads))
    made = make_payloads(payloads[0].model, metadata, config, more)
    return tuple(_with_shorter_strings(each) if place % 2 else each for place, each in enumerate(made))


def _with_shorter_strings(payload: Payload) -> Payload:
    tensors = (_halved(each) if each.datatype == "BYTES" else each for each in payload.inputs)
    return replace(payload, inputs=tuple(tensors))


def _halved(tensor: Tensor) -> Tensor:
    return replace(tensor, data=np.frompyfunc(lambda element: element[: len(element) // 2], 1, 1)(tensor.data))


def fixed_inputs(payloads: Sequence[Payload], *, ragged: bool = False) -> tuple[Payload, ...]:
    """Up to `DIFFERENT` requests, made from those of the traffic; the first is the traffic's own.

    Requests of other shapes than the first are left out, because Triton does not batch them with it, unless ``ragged``.
    If the traffic has too few, the elements of the first one are shuffled: values stay those that the model takes.
    """
    first = payloads[0]
    alike = [each for each in payloads if ragged or _shapes(each) == _shapes(first)]
    random = np.random.default_rng(_SEED)
    shuffled = [_shuffled(first, random) for _ in range(DIFFERENT)]
    distinct = {tuple(tensor_bytes(tensor) for tensor in each.inputs): each for each in (*alike, *shuffled)}
    return tuple(distinct.values())[:DIFFERENT]


def _shapes(payload: Payload) -> list[tuple[str, tuple[int, ...]]]:
    return [(tensor.name, tensor.data.shape) for tensor in payload.inputs]


def _shuffled(payload: Payload, random: np.random.Generator) -> Payload:
    return replace(payload, inputs=tuple(_with_shuffled_data(tensor, random) for tensor in payload.inputs))


def _with_shuffled_data(tensor: Tensor, random: np.random.Generator) -> Tensor:
    data: NDArray[np.generic] = random.permutation(tensor.data.ravel()).reshape(tensor.data.shape)
    is_real = tensor.datatype in ("FP16", "FP32", "FP64")
    if is_real and (data == tensor.data).all():  # nothing to shuffle: one element, or all alike
        scaled = np.where(tensor.data == 0, 1, tensor.data) * random.uniform(0.5, 1.0, tensor.data.shape)
        data = scaled.astype(tensor.data.dtype)
    return replace(tensor, data=data)
