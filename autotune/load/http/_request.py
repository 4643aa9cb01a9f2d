"""One inference request as the bytes of an HTTP/1.1 message, built once and sent many times."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from autotune.load.payload import tensor_bytes

if TYPE_CHECKING:
    from autotune.load.payload import Payload
    from autotune.load.shared_memory._layout import Placement


def build_http_request(payload: Payload, host: str, port: int, shared: Placement | None = None) -> bytes:
    """The complete request: headers, JSON, binary tensors (KServe v2 with the binary tensor data extension).

    All outputs are asked for in binary form. With ``shared`` (the system shared memory extension) the request
    names the places of its inputs and outputs instead of containing the inputs and asking for the outputs.
    """
    contents = [] if shared else [tensor_bytes(tensor) for tensor in payload.inputs]
    places: list[dict[str, str | int]] = (
        [extent.parameters for extent in shared.inputs]
        if shared
        else [{"binary_data_size": len(content)} for content in contents]
    )
    inference: dict[str, Any] = {
        "inputs": [
            {
                "name": tensor.name,
                "datatype": tensor.datatype,
                "shape": list(tensor.data.shape),
                "parameters": place,
            }
            for tensor, place in zip(payload.inputs, places, strict=True)
        ],
    }
    if shared and shared.outputs:
        inference["outputs"] = [
            {"name": name, "parameters": extent.parameters} for name, extent in shared.outputs.items()
        ]
    else:
        inference["parameters"] = {"binary_data_output": True}
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
