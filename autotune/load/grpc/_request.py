"""One inference request as a serialised ``inference.ModelInferRequest``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autotune.load.payload import tensor_bytes

if TYPE_CHECKING:
    from autotune.load._sequences import Step
    from autotune.load.payload import Payload
    from autotune.load.shared_memory._layout import Extent, Placement


def build_grpc_request(payload: Payload, shared: Placement | None = None) -> bytes:
    """The message's bytes, tensors in ``raw_input_contents``.

    With ``shared`` the message names the places of its inputs and outputs instead of containing the inputs.
    """
    from tritonclient.grpc import service_pb2

    request = service_pb2.ModelInferRequest(model_name=payload.model)
    for index, tensor in enumerate(payload.inputs):
        spec = request.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.data.shape)
        if shared:
            _place(spec, shared.inputs[index])
        else:
            request.raw_input_contents.append(tensor_bytes(tensor))
    if shared:
        for name, extent in shared.outputs.items():
            _place(request.outputs.add(name=name), extent)
    serialised: bytes = request.SerializeToString()
    return serialised


def _place(spec: Any, extent: Extent) -> None:
    """Writes the place of a tensor into an input or output of the message."""
    for name, value in extent.parameters.items():
        if isinstance(value, str):
            spec.parameters[name].string_param = value
        else:
            spec.parameters[name].int64_param = value


def sequence_parameters(step: Step, *, text: bool) -> bytes:
    """What a serialised request continues with to be a step of a sequence; ``text``: the id is a string.

    A message's fields may come in any order, so that entries of its map ``parameters`` (field 4) may be the last. An
    id of 31 bits takes five bytes, so that all steps are of one length.
    """
    written = step.text_id.encode()
    sequence_id = b"\x1a" + _varint(len(written)) + written if text else b"\x10" + _varint(step.id)
    flags = {b"sequence_start": step.start, b"sequence_end": step.end}
    return b"".join(
        [_entry(b"sequence_id", sequence_id), *(_entry(name, bytes([0x08, flag])) for name, flag in flags.items())]
    )


def _entry(name: bytes, value: bytes) -> bytes:
    """An entry of ``parameters``: the name is field 1, the serialised value field 2."""
    entry = b"\x0a" + bytes([len(name)]) + name + b"\x12" + _varint(len(value)) + value
    return b"\x22" + _varint(len(entry)) + entry


def _varint(value: int) -> bytes:
    written = bytearray()
    while value >= 0x80:
        written.append(0x80 | value & 0x7F)
        value >>= 7
    written.append(value)
    return bytes(written)
