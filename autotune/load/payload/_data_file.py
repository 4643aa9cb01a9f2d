"""Requests from a JSON file, in the format that perf_analyzer reads with ``--input-data``."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from autotune.errors import UsageError
from autotune.load.payload._json_tensor import JsonTensor, parse_tensor
from autotune.load.payload._model_inputs import ModelInput, model_inputs, written
from autotune.load.payload._types import Payload, Tensor

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_FORMAT = 'write {"data": [{"INPUT": [...]}, ...]} as perf_analyzer reads it'


@dataclass(frozen=True)
class _Entry:
    """One inference of the file.

    Attributes:
        name: Where it stands: ``entry 3``, or ``stream 2, entry 1``.
        tensors: Input name to what the file gives.
    """

    name: str
    tensors: Mapping[str, JsonTensor]


def read_data_file(
    path: Path,
    model: str,
    metadata: Mapping[str, Any],
    config: Mapping[str, Any],
    *,
    batch_size: int = 1,
    shapes: Mapping[str, Sequence[int]],
    flag: str = "--input-data",
) -> tuple[Payload, ...]:
    """The requests that the file's entries make, in its order.

    An entry is the content of one inference, without a batch dimension: every input that is not optional, flat in
    row-major order, nested, or base64. ``shape`` beside the ``content`` says the sizes of dynamic dimensions; without
    it ``--shape`` does; without that a single dynamic dimension follows from the number of values. Entries of
    several streams are requests of their own, one stream after the other; ``validation_data`` is not looked at.

    A request of several inferences holds as many consecutive entries; the last one is filled up from the beginning.

    Args:
        path: The file.
        model: The model's name.
        metadata: Its metadata, ``/v2/models/M``.
        config: Its complete config, ``/v2/models/M/config``.
        batch_size: Inferences in one request.
        shapes: Input name to shape, for inputs whose shape the file does not say.
        flag: The option that named the file, for messages.

    Raises:
        UsageError: The file cannot be read, is not of that form, or does not fit the model; it names the entry and
            the input. Or what `model_inputs` raises.
    """
    inputs = model_inputs(model, metadata, config, batch_size, shapes)
    try:
        stat = path.stat()
        entries = _entries(path, stat.st_mtime_ns, stat.st_size, tuple((each.name, each.datatype) for each in inputs))
        items = [(entry.name, _items(entry, inputs)) for entry in entries]
        starts = range(0, len(items), batch_size)
        return tuple(
            _payload(model, inputs, [items[(start + i) % len(items)] for i in range(batch_size)]) for start in starts
        )
    except OSError as error:
        raise UsageError(
            f"{flag}: cannot read {path}: {error.strerror or error}; use random, zero or the path of a JSON file"
        ) from None
    except ValueError as error:
        raise UsageError(f"{flag}: {path}: {error}") from None


@functools.lru_cache(maxsize=1)
def _entries(path: Path, modified_ns: int, size: int, datatypes: tuple[tuple[str, str], ...]) -> tuple[_Entry, ...]:
    """The file's entries; a study reads them for every candidate, so they are kept while the file stays as it is.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not of the form; the message says where.
    """
    types = dict(datatypes)
    entries = []
    for name, entry in _numbered(_document(path)):
        if not isinstance(entry, dict):
            raise ValueError(f"{name} is not an object of inputs; {_FORMAT}")
        if unknown := [key for key in entry if key not in types]:
            raise ValueError(f"{name}: the model has no input {unknown[0]!r}; its inputs are {', '.join(types)}")
        tensors = {}
        for key, value in entry.items():
            try:
                tensors[key] = parse_tensor(value, types[key])
            except ValueError as error:
                raise ValueError(f"{name}: input {key!r}: {error}") from None
        entries.append(_Entry(name, tensors))
    return tuple(entries)


def _document(path: Path) -> list[Any]:
    """The value of ``data``."""
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}, column {error.colno}: not JSON: {error.msg}; {_FORMAT}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {' '.join(str(error).split())}; {_FORMAT}") from None
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, list):
        raise ValueError(f'has no list named "data"; {_FORMAT}')
    if not data or [] in data:
        raise ValueError(f'"data" holds no entry{" in one of its streams" if data else ""}; {_FORMAT}')
    return data


def _numbered(data: Sequence[Any]) -> list[tuple[str, Any]]:
    """Every entry with its name; lists among them are streams."""
    if not any(isinstance(each, list) for each in data):
        return [(f"entry {number}", entry) for number, entry in enumerate(data, 1)]
    streams = [each if isinstance(each, list) else [each] for each in data]
    return [
        (f"stream {number}, entry {step}", entry)
        for number, stream in enumerate(streams, 1)
        for step, entry in enumerate(stream, 1)
    ]


def _items(entry: _Entry, inputs: Sequence[ModelInput]) -> dict[str, NDArray[np.generic]]:
    """Input name to one inference's data; raises `ValueError` where they do not fit the model."""
    for each in inputs:
        if each.name not in entry.tensors and not each.optional:
            raise ValueError(f"{entry.name}: input {each.name!r} is missing; every entry needs all inputs")
    items = {}
    for each in inputs:
        if each.name in entry.tensors:
            tensor = entry.tensors[each.name]
            try:
                shape = _item_shape(each, tensor)
            except ValueError as error:
                raise ValueError(f"{entry.name}: input {each.name!r}: {error}") from None
            items[each.name] = tensor.values.reshape(shape)
    return items


def _item_shape(spec: ModelInput, tensor: JsonTensor) -> tuple[int, ...]:
    count = len(tensor.values)
    dynamic = [index for index, dimension in enumerate(spec.item) if dimension < 0]
    if tensor.shape is not None:
        fitted = spec.fit(tensor.shape)
        if fitted is None:
            raise ValueError(f"has the shape {written(tensor.shape)}, the model takes {written(spec.item)}")
        shape = fitted
    elif spec.given is not None or not dynamic:
        shape = spec.item_shape()
    elif len(dynamic) > 1:
        raise ValueError(
            f"its shape {written(spec.item)} has several dynamic dimensions; write"
            ' {"content": [...], "shape": [...]}, or give their sizes with --shape'
        )
    else:
        static = math.prod(dimension for dimension in spec.item if dimension >= 0)
        shape = tuple(count // static if dimension < 0 else dimension for dimension in spec.item)
    if not count or count != math.prod(shape):
        raise ValueError(f"has {count} values, which do not fill the shape {written(shape if count else spec.item)}")
    return shape


def _payload(
    model: str, inputs: Sequence[ModelInput], items: Sequence[tuple[str, Mapping[str, NDArray[np.generic]]]]
) -> Payload:
    """One request of the named entries; raises `ValueError` where they cannot be batched."""
    first_name, first = items[0]
    for name, item in items[1:]:
        if item.keys() != first.keys():
            raise ValueError(f"{name} has other inputs than {first_name} in the same request; use --batch-size 1")
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
