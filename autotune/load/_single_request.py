"""One request to a ready server, outside any measurement."""

from __future__ import annotations

import http.client
import json
import socket

from autotune.load._sequences import alone
from autotune.load.http._request import Stamps, build_http_request
from autotune.load.payload import Payload
from autotune.server import Endpoint

_TIMEOUT_S = 60.0  # guess; a slower model is not checked


def error_of(endpoint: Endpoint, payload: Payload, *, text_ids: bool | None = None) -> str:
    """Triton's error for one request over HTTP; empty if it was answered.

    ``text_ids`` sends it as a sequence of one request, with an id that is a string or a number.

    Raises:
        OSError, ValueError, http.client.HTTPException: It was not answered as Triton answers.
    """
    with socket.create_connection((endpoint.host, endpoint.http_port), _TIMEOUT_S) as connection:
        request = build_http_request(payload, endpoint.host, endpoint.http_port, text_ids=text_ids)
        if text_ids is not None:
            request = Stamps((request,), text_ids=text_ids).request(alone())
        connection.sendall(request)
        response = http.client.HTTPResponse(connection)
        response.begin()
        body = response.read()
    return "" if response.status == http.client.OK else str(json.loads(body).get("error", "unknown error"))
