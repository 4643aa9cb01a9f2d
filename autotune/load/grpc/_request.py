"""One inference request as a serialised ``inference.ModelInferRequest``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autotune.load.payload import tensor_bytes

if TYPE_CHECKING:
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
