"""Whether requests of one model can be batched, asked of a ready server before any load."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from autotune.load.http._request import build_http_request
from autotune.load.payload import Payload
from autotune.server import Endpoint, LoadFailed

_TIMEOUT_S = 60.0  # guess; a slower model is not checked


def check_batches(endpoint: Endpoint, config: Mapping[str, Any], payload: Payload) -> None:
    """Sends a request alone and twice in one batch, if the served config makes Triton batch requests.

    A model that cannot batch answers most requests at a low rate, where few of them meet, so a measured rate does not
    show it.

    Raises:
        LoadFailed: The batch fails though the request alone does not; has Triton's words and the remedy.
    """
    if "dynamic_batching" not in config or int(config.get("max_batch_size", 0)) < 2 * payload.batch_size:
        return
    doubled = tuple(replace(each, data=np.concatenate([each.data, each.data])) for each in payload.inputs)
    both = replace(payload, inputs=doubled, batch_size=2 * payload.batch_size)
    try:
        if _error(endpoint, payload) or not (error := _error(endpoint, both)):
            return
    except (OSError, ValueError, http.client.HTTPException):  # for the measurement to tell
        return
    raise LoadFailed(
        f"a batch of 2 requests fails though one alone does not: {error}; export the model so that all outputs have its"
        " batch dimension, or write max_batch_size: 1"
    )


def _error(endpoint: Endpoint, payload: Payload) -> str:
    """Triton's error for one request; empty if it was answered."""
    with socket.create_connection((endpoint.host, endpoint.http_port), _TIMEOUT_S) as connection:
        connection.sendall(build_http_request(payload, endpoint.host, endpoint.http_port))
        response = http.client.HTTPResponse(connection)
        response.begin()
        body = response.read()
    return "" if response.status == http.client.OK else str(json.loads(body).get("error", "unknown error"))
