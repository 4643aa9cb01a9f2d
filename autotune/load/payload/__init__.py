"""Input data for a model: random, zero or from a file, and its bytes on the wire."""

from autotune.load.payload._make import PayloadData, make_payload, make_payloads, parse_shape
from autotune.load.payload._tensor_bytes import tensor_bytes
from autotune.load.payload._types import Payload, Tensor

__all__ = ["Payload", "PayloadData", "Tensor", "make_payload", "make_payloads", "parse_shape", "tensor_bytes"]
