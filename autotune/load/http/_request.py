"""One inference request as the bytes of an HTTP/1.1 message, built once and sent many times."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from autotune.load._sequences import ALONE_ID, Step
from autotune.load.payload import tensor_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autotune.load.payload import Payload
    from autotune.load.shared_memory._layout import Placement


_SEQUENCE = "sequence"


def build_http_request(
    payload: Payload, host: str, port: int, shared: Placement | None = None, *, text_ids: bool | None = None
) -> bytes:
    """The complete request: headers, JSON, binary tensors (KServe v2 with the binary tensor data extension).

    All outputs are asked for in binary form. With ``shared`` (the system shared memory extension) the request
    names the places of its inputs and outputs instead of containing the inputs and asking for the outputs.
    ``text_ids`` makes the request a sequence of its own, and says whether its id is a string; None: of no sequence.
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
    if text_ids is not None:
        inference.setdefault("parameters", {})[_SEQUENCE] = None
    header = json.dumps(inference, separators=(",", ":")).encode()
    if text_ids is not None:
        before, _, after = header.rpartition(f'"{_SEQUENCE}":null'.encode())
        header = before + _stamp(Step(0, ALONE_ID, start=True, end=True), text=text_ids) + after
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


class Stamps:
    """Requests of sequences: the built ones, with another id and other flags in place of those of a request alone.

    Args:
        requests: As `build_http_request` makes them with these ``text_ids``.
        text_ids: Whether ids are strings.
    """

    def __init__(self, requests: Sequence[bytes], *, text_ids: bool) -> None:
        self._text = text_ids
        alone = _stamp(Step(0, ALONE_ID, start=True, end=True), text=self._text)
        self._parts = [request.partition(alone) for request in requests]

    def request(self, step: Step) -> bytes:
        """The bytes of a step, as long as those of the request it is made of."""
        before, _, after = self._parts[step.request]
        return b"".join((before, _stamp(step, text=self._text), after))


def _stamp(step: Step, *, text: bool) -> bytes:
    """The parameters of a request of a sequence in JSON, of one length whatever they are."""
    written = f'"{step.text_id}"' if text else f"{step.id:12}"
    start, end = ("true " if flag else "false" for flag in (step.start, step.end))
    return f'"sequence_id":{written},"sequence_start":{start},"sequence_end":{end}'.encode()
