"""Reads the inputs and outputs of an ONNX file without loading its weights.

The file is memory-mapped. The protobuf wire format states the length of each field, so nodes and weights are skipped
and only the descriptions of inputs and outputs are decoded. External weight files are not opened.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autotune.errors import UsageError
from autotune.repository._spec import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Buffer = mmap.mmap | memoryview

# field numbers of onnx.proto
_MODEL_IR_VERSION, _MODEL_GRAPH, _MODEL_OPSET_IMPORT = 1, 7, 8
_OPSET_DOMAIN, _OPSET_VERSION = 1, 2
_GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT, _GRAPH_SPARSE_INITIALIZER = 5, 11, 12, 15
_TENSOR_NAME = 8
_SPARSE_VALUES = 1

_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5

_DATATYPES = {
    "FLOAT": "FP32",
    "DOUBLE": "FP64",
    "FLOAT16": "FP16",
    "BFLOAT16": "BF16",
    "STRING": "BYTES",
    "BOOL": "BOOL",
    **{f"{sign}INT{bits}": f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)},
}
UNSUPPORTED_DATATYPE = "INVALID"
"""Triton's name for an element type that it does not serve."""


@dataclass(frozen=True)
class OnnxSignature:
    """The tensors of an ONNX model. Shapes include the batch dimension; -1 is a dynamic dimension.

    Attributes:
        inputs: Tensors of a request, without initializers that it may override.
        outputs: Tensors of an answer.
        ir_version: The version of the file format; 0 if the file does not say.
        opset: The version of ONNX's own operators; 0 if the file does not say.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    ir_version: int = 0
    opset: int = 0

    @property
    def dynamic_batch(self) -> bool:
        """Whether the first dimension of every input and every output is dynamic."""
        tensors = (*self.inputs, *self.outputs)
        return bool(tensors) and all(tensor.shape[:1] == (-1,) for tensor in tensors)


def read_onnx(path: Path) -> OnnxSignature:
    """Reads the signature of an ONNX file.

    Raises:
        UsageError: The file cannot be read, is not an ONNX model, or has inputs or outputs that are no tensors.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _signature(content, path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}; check its permissions") from error
    except (ValueError, IndexError) as error:
        raise UsageError(f"{path}: is not an ONNX model ({error}); export it again") from error


def _signature(content: mmap.mmap, path: Path) -> OnnxSignature:
    graph, ir_version, opset = None, 0, 0
    for number, value in _values(content, 0, len(content)):
        if number == _MODEL_IR_VERSION and isinstance(value, int):
            ir_version = value
        elif number == _MODEL_GRAPH and isinstance(value, tuple):
            graph = graph or value
        elif number == _MODEL_OPSET_IMPORT and isinstance(value, tuple):
            opset = opset or _opset(content, value)
    if graph is None:
        raise ValueError("no graph in it")
    inputs, outputs, initializers = [], [], set()
    for number, span in _fields(content, *graph):
        if number == _GRAPH_INPUT:
            inputs.append(content[slice(*span)])
        elif number == _GRAPH_OUTPUT:
            outputs.append(content[slice(*span)])
        elif number == _GRAPH_INITIALIZER:
            initializers.add(_tensor_name(content, span))
        elif number == _GRAPH_SPARSE_INITIALIZER:
            initializers.update(
                _tensor_name(content, values) for field, values in _fields(content, *span) if field == _SPARSE_VALUES
            )
    # before ONNX IR version 4, the inputs include the initializers
    return OnnxSignature(
        tuple(tensor for tensor in _tensors(inputs, path) if tensor.name not in initializers),
        tuple(_tensors(outputs, path)),
        ir_version,
        opset,
    )


def _opset(content: Buffer, span: tuple[int, int]) -> int:
    """The version of ONNX's own operators in one import; 0 if it imports those of another domain."""
    values = dict(_values(content, *span))
    domain, version = values.get(_OPSET_DOMAIN), values.get(_OPSET_VERSION, 0)
    name = bytes(content[slice(*domain)]).decode() if isinstance(domain, tuple) else ""
    return version if name in {"", "ai.onnx"} and isinstance(version, int) else 0


def _tensors(messages: list[bytes], path: Path) -> Iterator[TensorSpec]:
    from google.protobuf.message import DecodeError
    from onnx import TensorProto, ValueInfoProto

    for message in messages:
        info = ValueInfoProto()
        try:
            info.ParseFromString(message)
        except DecodeError as error:
            raise ValueError("an input or output cannot be decoded") from error
        kind = info.type
        if kind.HasField("tensor_type"):
            element = TensorProto.DataType.Name(kind.tensor_type.elem_type)
            shape = tuple(_size(dimension) for dimension in kind.tensor_type.shape.dim)
            yield TensorSpec(info.name, _DATATYPES.get(element, UNSUPPORTED_DATATYPE), shape)
        elif other := kind.WhichOneof("value"):
            raise UsageError(
                f"{path}: {info.name!r} is of type {other.removesuffix('_type')}, not a tensor, and Triton serves"
                " tensors only; export the model again without it (a classifier of skl2onnx: options={'zipmap': False})"
            )


def _size(dimension: Any) -> int:
    return int(dimension.dim_value) if dimension.HasField("dim_value") and dimension.dim_value > 0 else -1


def _tensor_name(content: Buffer, span: tuple[int, int]) -> str:
    for number, (start, end) in _fields(content, *span):
        if number == _TENSOR_NAME:
            return bytes(content[start:end]).decode()
    return ""


def _fields(content: Buffer, position: int, end: int) -> Iterator[tuple[int, tuple[int, int]]]:
    """Number and byte span of each length-delimited field of a message; the others are stepped over."""
    return ((number, value) for number, value in _values(content, position, end) if isinstance(value, tuple))


def _values(content: Buffer, position: int, end: int) -> Iterator[tuple[int, int | tuple[int, int]]]:
    """Number of each field of a message with its integer or the byte span of its content; others are stepped over."""
    while position < end:
        tag, position = _varint(content, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == _VARINT:
            value, position = _varint(content, position)
            yield number, value
        elif wire_type == _FIXED64:
            position += 8
        elif wire_type == _FIXED32:
            position += 4
        elif wire_type == _LENGTH_DELIMITED:
            length, position = _varint(content, position)
            if position + length > end:
                raise ValueError("it is cut short")
            yield number, (position, position + length)
            position += length
        else:
            raise ValueError("it is not in protobuf format")


def _varint(content: Buffer, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("it is not in protobuf format")
