"""The sizes of a model's outputs, from one inference per payload over the wire."""

from __future__ import annotations

import socket
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING

from autotune.load.http._request import build_http_request
from autotune.reading import parse_json
from autotune.server import ControlError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autotune.load.payload import Payload
    from autotune.server import Endpoint

# The first inference after a load may take long.
_TIMEOUT_S = 120.0
# Strings vary in length between answers.
_BYTES_HEADROOM = 2
_AT_LEAST_BYTES = 64


def largest_outputs(endpoint: Endpoint, payloads: Sequence[Payload]) -> dict[str, int]:
    """Output name to the bytes that hold it whichever payload was sent, BYTES with room for as much again.

    Raises:
        ControlError: The server refuses an inference; the message has its words.
        Unreachable: It does not answer, or not with an inference response.
    """
    largest: dict[str, int] = {}
    for payload in payloads:
        for name, byte_size in _output_sizes(endpoint, payload).items():
            largest[name] = max(largest.get(name, _AT_LEAST_BYTES), byte_size)
    return largest


def _output_sizes(endpoint: Endpoint, payload: Payload) -> dict[str, int]:
    status, json_length, body = _infer(endpoint, payload)
    try:
        answer = parse_json(body[:json_length])
        if status != 200:
            raise ControlError(f"the inference that measures the sizes of the outputs failed: {answer['error']}")
        return {
            str(output["name"]): int(output["parameters"]["binary_data_size"])
            * (_BYTES_HEADROOM if output["datatype"] == "BYTES" else 1)
            for output in answer["outputs"]
        }
    except (ValueError, LookupError, TypeError):
        raise Unreachable(
            f"{endpoint.host}:{endpoint.http_port} does not answer an inference like Triton (HTTP {status})"
        ) from None


def _infer(endpoint: Endpoint, payload: Payload) -> tuple[int, int | None, bytes]:
    """Status, length of the body's JSON part (None: all of it) and body of the response."""
    address = (endpoint.host, endpoint.http_port)
    try:
        with socket.create_connection(address, _TIMEOUT_S) as connection:
            connection.sendall(build_http_request(payload, *address))
            with HTTPResponse(connection, method="POST") as response:
                response.begin()
                json_length = response.headers.get("Inference-Header-Content-Length")
                return response.status, int(json_length) if json_length else None, response.read()
    except (OSError, HTTPException, ValueError) as error:
        words = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Unreachable(f"{endpoint.host}:{endpoint.http_port} does not answer an inference: {words}") from None
