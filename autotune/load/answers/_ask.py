"""Sends requests over HTTP and reads their whole answers."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from autotune.load.answers._types import Answer, Output
from autotune.load.http._request import build_http_request
from autotune.load.payload import NUMPY_TYPES
from autotune.reading import parse_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autotune.load.payload import Payload
    from autotune.server import Endpoint

_TIMEOUT_S = 60.0  # guess; a slower model is not checked


def ask(endpoint: Endpoint, payload: Payload) -> Answer:
    """The answer to one request.

    Raises:
        OSError, ValueError, http.client.HTTPException: There is none.
    """
    return ask_at_once(endpoint, (payload,))[0]


def ask_at_once(endpoint: Endpoint, payloads: Sequence[Payload]) -> list[Answer]:
    """The answers to requests that arrive together: the last byte of each is sent when all else has been.

    Raises:
        OSError, ValueError, http.client.HTTPException: One has no answer.
    """
    host, port = endpoint.host, endpoint.http_port
    requests = [build_http_request(payload, host, port) for payload in payloads]
    with ExitStack() as stack:
        connections = [stack.enter_context(socket.create_connection((host, port), _TIMEOUT_S)) for _ in requests]
        for connection, request in zip(connections, requests, strict=True):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(request[:-1])
        for connection, request in zip(connections, requests, strict=True):
            connection.sendall(request[-1:])
        return [_read(connection) for connection in connections]


def _read(connection: socket.socket) -> Answer:
    with http.client.HTTPResponse(connection, method="POST") as response:
        response.begin()
        body = response.read()
        length = response.headers.get("Inference-Header-Content-Length")
    header = parse_json(body[: int(length)] if length else body)
    if response.status != http.client.OK:
        refused = response.status in (http.client.SERVICE_UNAVAILABLE, http.client.TOO_MANY_REQUESTS)
        error = " ".join(str(header.get("error", "unknown error")).split())  # Triton's may end with a line break
        return Answer(error=error, refused=refused)
    outputs, at = {}, int(length or len(body))
    for described in header.get("outputs", ()):
        size = int(described.get("parameters", {}).get("binary_data_size", 0))
        outputs[str(described["name"])] = _output(described, body[at : at + size])
        at += size
    return Answer(outputs)


def _output(described: dict[str, Any], content: bytes) -> Output:
    datatype, shape = str(described["datatype"]), tuple(int(each) for each in described["shape"])
    if datatype == "BYTES":
        return Output(datatype, _texts(content).reshape(shape))
    data: NDArray[np.generic] = np.frombuffer(content, NUMPY_TYPES[datatype]).reshape(shape)
    if datatype == "BF16":
        data = (data.astype(np.uint32) << 16).view(np.float32)
    return Output(datatype, data)


def _texts(content: bytes) -> NDArray[np.object_]:
    """BYTES elements, each preceded by its length in 4 bytes."""
    found, at = [], 0
    while at < len(content):
        length = int.from_bytes(content[at : at + 4], "little")
        found.append(content[at + 4 : at + 4 + length])
        at += 4 + length
    texts = np.empty(len(found), np.object_)
    texts[:] = found
    return texts
