"""Payloads as perf_analyzer's input data, so that it sends what the other generators send."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from autotune.load.payload import Tensor, tensor_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autotune.load.payload import Payload


def input_data(payloads: Sequence[Payload], *, batched: bool) -> str:
    """The JSON text for ``--input-data``.

    perf_analyzer's entries are inferences, not requests: it fills a request of batch size b with the next b of
    them. So a payload gives b entries, in order, each without the batch dimension. Contents go in as base64 of
    the bytes on the wire, for BYTES tensors too (each element with its length before it): perf_analyzer passes
    them on as they are, and values that are no text survive.

    Args:
        payloads: Requests to send in turn.
        batched: Whether the first dimension of the tensors is the batch.
    """
    entries = []
    for payload in payloads:
        for item in range(payload.batch_size):
            entries.append({tensor.name: _entry(tensor, item if batched else None) for tensor in payload.inputs})
    return json.dumps({"data": entries}, separators=(",", ":"))


def _entry(tensor: Tensor, item: int | None) -> dict[str, object]:
    data = tensor.data if item is None else tensor.data[item]
    content = tensor_bytes(Tensor(tensor.name, tensor.datatype, data))
    return {"b64": base64.b64encode(content).decode("ascii"), "shape": list(data.shape)}
