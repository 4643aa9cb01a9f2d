"""Input data for a model, made from what Triton says about it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from autotune.errors import UsageError
from autotune.load._tensor_bytes import NUMPY_TYPES
from autotune.load._types import Payload, Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

PayloadData = Literal["random", "zero"]

_NO_SHAPES: Mapping[str, Sequence[int]] = MappingProxyType({})
# Small enough to be valid ids in most vocabularies, and to fit INT8.
_RANDOM_INTEGERS_BELOW = 128
_RANDOM_BYTES_LENGTH = 16
_PRINTABLE = (0x20, 0x7F)


def parse_shape(text: str, flag: str = "--shape") -> tuple[str, tuple[int, ...]]:
    """The input's name and its shape from ``NAME:1,224,224``, as perf_analyzer writes it.

    Raises:
        UsageError: Not of that form, or a dimension below 1.
    """
    name, colon, dimensions = text.rpartition(":")
    try:
        shape = tuple(int(dimension) for dimension in dimensions.split(","))
    except ValueError:
        shape = ()
    if not (name and colon and shape) or min(shape) < 1:
        raise UsageError(f"{flag}: {text!r} is not an input's shape; write NAME:D1,D2,..., such as image:3,224,224")
    return name, shape


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
            size the config does not allow, or a datatype Triton does not carry over the wire.
    """
    max_batch_size = int(config.get("max_batch_size", 0))
    if data not in ("random", "zero"):
        raise UsageError(f"--input-data: {data!r} is unknown; use random or zero")
    _check_batch_size(model, batch_size, max_batch_size)
    inputs: Sequence[Mapping[str, Any]] = metadata.get("inputs", ())
    names = [str(spec["name"]) for spec in inputs]
    for name in shapes:
        if name not in names:
            raise UsageError(f"--shape: model {model!r} has no input {name!r}; its inputs are {', '.join(names)}")
    optional = {str(spec.get("name")) for spec in config.get("input", ()) if spec.get("optional")}
    random = np.random.default_rng(seed)
    tensors = []
    for spec in inputs:
        name, datatype = str(spec["name"]), str(spec["datatype"])
        if name in optional and name not in shapes:
            continue
        if datatype not in NUMPY_TYPES:
            raise UsageError(f"model {model!r}: input {name!r} has datatype {datatype!r}, which cannot be sent")
        declared = [int(dimension) for dimension in spec["shape"]]
        shape = _request_shape(name, declared, shapes.get(name), batch_size, batched=max_batch_size > 0)
        tensors.append(Tensor(name, datatype, _fill(datatype, shape, data, random)))
    return Payload(model, tuple(tensors), batch_size)


def _check_batch_size(model: str, batch_size: int, max_batch_size: int) -> None:
    if batch_size < 1:
        raise UsageError(f"--batch-size: {batch_size} is below 1; a request carries at least one inference")
    if max_batch_size == 0 and batch_size > 1:
        raise UsageError(
            f"--batch-size: model {model!r} does not batch (max_batch_size is 0), so {batch_size} is too large; use 1"
        )
    if 0 < max_batch_size < batch_size:
        raise UsageError(
            f"--batch-size: {batch_size} is over the max_batch_size {max_batch_size} of model {model!r};"
            f" use {max_batch_size} or less"
        )


def _request_shape(
    name: str, declared: Sequence[int], given: Sequence[int] | None, batch_size: int, *, batched: bool
) -> tuple[int, ...]:
    """The full shape to send. ``declared`` is the metadata's: with batching its first dimension is the batch."""
    lead = (batch_size,) if batched else ()
    item = list(declared[1:] if batched else declared)
    if given is None:
        if any(dimension < 0 for dimension in item):
            example = ",".join(str(dimension) if dimension >= 0 else "N" for dimension in item)
            raise UsageError(
                f"--shape: input {name!r} has a dynamic dimension, its shape is {_written(item)};"
                f" give its size with --shape {name}:{example}"
            )
        return (*lead, *item)
    wanted = list(given)
    # max_batch_size changes between the candidates of a search and the batch dimension comes and goes with it;
    # the rank tells which form was written, so one --shape fits them all.
    if batched and len(wanted) == len(item) + 1 and wanted[0] in (1, batch_size):
        del wanted[0]
    elif not batched and declared and declared[0] < 0 and len(wanted) == len(item) - 1:
        wanted.insert(0, 1)
    fits = len(wanted) == len(item) and all(have in (-1, want) for have, want in zip(item, wanted, strict=True))
    if not fits or any(dimension < 1 for dimension in wanted):
        without = " without the batch dimension" if batched else ""
        raise UsageError(
            f"--shape: {name}:{','.join(map(str, given))} contradicts the model, whose input {name!r} has the"
            f" shape {_written(item)}{without}"
        )
    return (*lead, *wanted)


def _written(shape: Sequence[int]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"


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
