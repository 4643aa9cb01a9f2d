"""Input data for a model, from its metadata and config."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from autotune.errors import UsageError
from autotune.load.payload._model_inputs import ModelInput, model_inputs
from autotune.load.payload._shape import drawn_shapes, varies
from autotune.load.payload._sources import read_streams
from autotune.load.payload._tensor_bytes import NUMPY_TYPES
from autotune.load.payload._types import MOST_DATA_BYTES, Payload, Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from autotune.load._traffic import Traffic

PayloadData = Literal["random", "zero"]

_NO_SHAPES: Mapping[str, Sequence[int]] = MappingProxyType({})
# Small enough to be valid ids in most vocabularies, and to fit INT8.
_RANDOM_INTEGERS_BELOW = 128
_RANDOM_BYTES_LENGTH = 16
_PRINTABLE = (0x20, 0x7F)


def make_payload(
    model: str,
    metadata: Mapping[str, Any],
    config: Mapping[str, Any],
    *,
    data: PayloadData = "random",
    batch_size: int = 1,
    shapes: Mapping[str, Sequence[int]] = _NO_SHAPES,
    seed: int = 0,
) -> Payload:
    """One inference request's content that fits the model.

    Random data are floats in [0, 1), integers in [0, 128), booleans, and printable strings of 16 bytes.

    Args:
        model: The model's name.
        metadata: Its metadata, ``/v2/models/M``.
        config: Its complete config, ``/v2/models/M/config``.
        data: What the tensors hold.
        batch_size: Inferences in one request.
        shapes: Input name to shape, without the batch dimension, for inputs with dynamic dimensions. The same
            shape is understood whether the config at hand batches or not. Optional inputs are left out
            unless named here.
        seed: Seed of random data.

    Raises:
        UsageError: A dynamic dimension without a value, a shape or an input the model does not have, a batch
            size the config does not allow, or a datatype that cannot be sent.
    """
    if data not in get_args(PayloadData):
        raise UsageError(f"--input-data: {data!r} is unknown; use random or zero")
    random = np.random.default_rng(seed)
    tensors = []
    inputs = model_inputs(model, metadata, config, batch_size, shapes)
    _check_size(_request_bytes(inputs))
    for spec in inputs:
        if spec.optional and spec.given is None:
            continue
        lead = (batch_size,) if spec.batched else ()
        tensors.append(
            Tensor(spec.name, spec.datatype, _fill(spec.datatype, (*lead, *spec.item_shape()), data, random))
        )
    return Payload(model, tuple(tensors), batch_size)


def make_payloads(
    model: str, metadata: Mapping[str, Any], config: Mapping[str, Any], traffic: Traffic
) -> tuple[Payload, ...]:
    """The requests that a generator sends in turn: those of `make_streams`, one stream after the other."""
    return tuple(payload for stream in make_streams(model, metadata, config, traffic) for payload in stream)


def make_streams(
    model: str, metadata: Mapping[str, Any], config: Mapping[str, Any], traffic: Traffic
) -> tuple[tuple[Payload, ...], ...]:
    """The requests as ``traffic`` describes them; several streams where files separate them.

    Random data: ``traffic.payloads`` requests, the i-th as `make_payload` makes it with the seed ``traffic.seed + i``.
    Zeros: one request, as all would be equal; as many as for random data if sizes are drawn. Files: one request for
    each entry, or for each ``batch_size`` consecutive entries of a stream (`read_streams`).

    Args:
        model: The model's name.
        metadata: Its metadata, ``/v2/models/M``.
        config: Its complete config, ``/v2/models/M/config``.
        traffic: The content of requests.

    Raises:
        UsageError: As `make_payload` and `read_streams` raise it, or a number of payloads or drawn sizes beside files.
    """
    batch_size = traffic.batch_size
    if traffic.files:
        if varies(traffic.shapes):
            raise UsageError("--shape: uniform(LOW,HIGH) draws sizes of generated data, not of files; give sizes")
        if traffic.payloads > 1:
            names = ", ".join(map(str, traffic.files))
            raise UsageError(f"--payloads: the entries of {names} are the payloads; leave --payloads out")
        (fixed,) = drawn_shapes(traffic.shapes, 1, traffic.seed)
        return read_streams(traffic.files, model, metadata, config, batch_size=batch_size, shapes=fixed)
    data: PayloadData = "zero" if traffic.input_data == "zero" else "random"
    count = 1 if data == "zero" and not varies(traffic.shapes) else traffic.payloads
    drawn = drawn_shapes(traffic.shapes, count, traffic.seed)
    _check_size(sum(_request_bytes(model_inputs(model, metadata, config, batch_size, shapes)) for shapes in drawn))
    return (
        tuple(
            make_payload(
                model, metadata, config, data=data, batch_size=batch_size, shapes=shapes, seed=traffic.seed + index
            )
            for index, shapes in enumerate(drawn)
        ),
    )


def _request_bytes(inputs: Sequence[ModelInput]) -> int:
    """Bytes of a generated request's tensors."""
    return sum(
        math.prod(each.item_shape())
        * (each.batch_size if each.batched else 1)
        * (_RANDOM_BYTES_LENGTH if each.datatype == "BYTES" else NUMPY_TYPES[each.datatype].itemsize)
        for each in inputs
        if not each.optional or each.given is not None
    )


def _check_size(count: int) -> None:
    if count > MOST_DATA_BYTES:
        raise UsageError("--shape: the requests have more than 2 GiB; give smaller shapes, --batch-size or --payloads")


def _fill(datatype: str, shape: tuple[int, ...], data: PayloadData, random: np.random.Generator) -> NDArray[np.generic]:
    dtype = NUMPY_TYPES[datatype]
    if datatype == "BYTES":
        elements = np.empty(shape, dtype=np.object_)
        for index in np.ndindex(shape):
            length = 0 if data == "zero" else _RANDOM_BYTES_LENGTH
            elements[index] = random.integers(*_PRINTABLE, length, dtype=np.uint8).tobytes()
        return elements
    if data == "zero":
        return np.zeros(shape, dtype)
    if datatype == "BOOL":
        return random.integers(0, 2, shape).astype(dtype)
    if datatype == "BF16":
        return (random.random(shape, np.float32).view(np.uint32) >> 16).astype(dtype)
    if datatype.startswith("FP"):
        return random.random(shape).astype(dtype)
    return random.integers(0, _RANDOM_INTEGERS_BELOW, shape).astype(dtype)
