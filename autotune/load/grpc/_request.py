"""One inference request as a serialised ``inference.ModelInferRequest``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autotune.load._tensor_bytes import tensor_bytes

if TYPE_CHECKING:
    from autotune.load._types import Payload


def build_grpc_request(payload: Payload) -> bytes:
    """The message's bytes, tensors in ``raw_input_contents``."""
    from tritonclient.grpc import service_pb2

    request = service_pb2.ModelInferRequest(model_name=payload.model)
    for tensor in payload.inputs:
        request.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.data.shape)
        request.raw_input_contents.append(tensor_bytes(tensor))
    serialised: bytes = request.SerializeToString()
    return serialised
