"""Input data for a model: random, zero or from a file, and its bytes on the wire."""

from autotune.load.payload._make import PayloadData, make_payload, make_payloads, make_streams
from autotune.load.payload._shape import Shape, parse_shape, varies
from autotune.load.payload._sources import check_paths, content_digest
from autotune.load.payload._tensor_bytes import NUMPY_TYPES, tensor_bytes
from autotune.load.payload._types import Payload, Tensor

__all__ = [
    "NUMPY_TYPES",
    "Payload",
    "PayloadData",
    "Shape",
    "Tensor",
    "check_paths",
    "content_digest",
    "make_payload",
    "make_payloads",
    "make_streams",
    "parse_shape",
    "tensor_bytes",
    "varies",
]
