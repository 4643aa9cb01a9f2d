"""One request to a ready server, outside any measurement."""

from __future__ import annotations

import http.client
import json
import socket

from autotune.load.http._request import build_http_request
from autotune.load.payload import Payload
from autotune.server import Endpoint

_TIMEOUT_S = 60.0  # guess; a slower model is not checked


def error_of(endpoint: Endpoint, payload: Payload) -> str:
    """Triton's error for one request over HTTP; empty if it was answered.

    Raises:
        OSError, ValueError, http.client.HTTPException: It was not answered as Triton answers.
    """
    with socket.create_connection((endpoint.host, endpoint.http_port), _TIMEOUT_S) as connection:
        connection.sendall(build_http_request(payload, endpoint.host, endpoint.http_port))
        response = http.client.HTTPResponse(connection)
        response.begin()
        body = response.read()
    return "" if response.status == http.client.OK else str(json.loads(body).get("error", "unknown error"))
