"""One inference request as the bytes of an HTTP/1.1 message, built once and sent many times."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

from autotune.load._tensor_bytes import tensor_bytes

if TYPE_CHECKING:
    from autotune.load._types import Payload


def build_http_request(payload: Payload, host: str, port: int) -> bytes:
    """The complete request: headers, JSON, binary tensors (KServe v2 with the binary tensor data extension).

    All outputs are asked for in binary form.
    """
    contents = [tensor_bytes(tensor) for tensor in payload.inputs]
    inference = {
        "inputs": [
            {
                "name": tensor.name,
                "datatype": tensor.datatype,
                "shape": list(tensor.data.shape),
                "parameters": {"binary_data_size": len(content)},
            }
            for tensor, content in zip(payload.inputs, contents, strict=True)
        ],
        "parameters": {"binary_data_output": True},
    }
    header = json.dumps(inference, separators=(",", ":")).encode()
    body_length = len(header) + sum(map(len, contents))
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    head = (
        f"POST /v2/models/{quote(payload.model, safe='')}/infer HTTP/1.1\r\n"
        f"Host: {authority}\r\n"
        "Content-Type: application/octet-stream\r\n"
        f"Inference-Header-Content-Length: {len(header)}\r\n"
        f"Content-Length: {body_length}\r\n"
        "\r\n"
    )
    return b"".join([head.encode("ascii"), header, *contents])
