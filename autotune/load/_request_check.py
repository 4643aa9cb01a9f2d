"""Whether a model answers the requests at all, asked of a ready server before any load."""

from __future__ import annotations

import http.client
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from autotune.errors import UsageError
from autotune.load._single_request import error_of
from autotune.load._traffic import Traffic
from autotune.load.payload import Payload
from autotune.server import Endpoint

_MOST = 8  # requests that are tried: guess
# Triton 2.51, of a model that another one calls and that is not loaded (Python backend, server core).
_NOT_LOADED = re.compile(r"Model '(?P<ready>[^']+)' is not ready|unknown model: '(?P<known>[^']+)'")


def check_requests(
    endpoint: Endpoint,
    traffic: Traffic,
    payloads: Sequence[Payload],
    called: Sequence[str],
    *,
    text_ids: bool | None = None,
) -> None:
    """Sends the requests alone, and zeros if one is refused.

    Nothing is said if zeros are refused too: the config may be at fault, which the measurement shows.

    Args:
        endpoint: A ready server.
        traffic: What the requests carry.
        payloads: The requests.
        called: The models that are loaded beside it.
        text_ids: Whether the correlation ids of sequences are strings; None where the model takes no sequences.

    Raises:
        UsageError: A model that is not loaded is called, or the model refuses the data and answers zeros: no config
            can help. Has Triton's words and the remedy.
    """
    model = payloads[0].model
    try:
        refused = [error for each in payloads[:_MOST] if (error := error_of(endpoint, each, text_ids=text_ids))]
        if not refused:
            return
        _check_callee(refused[0], model, called)
        if traffic.input_data == "zero" or error_of(endpoint, _zeros(payloads[0]), text_ids=text_ids):
            return
    except (OSError, ValueError, http.client.HTTPException):  # for the measurement to tell
        return
    if traffic.input_data == "random":
        raise UsageError(
            f"--input-data: {model!r} refuses the random data: {refused[0]}; use --input-data zero or a file"
        )
    if len(refused) == len(payloads[:_MOST]):
        files = ", ".join(map(str, traffic.files))
        raise UsageError(
            f"--input-data: {model!r} refuses the requests of {files}, though it answers requests of zeros:"
            f" {refused[0]}; correct the file"
        )


def _check_callee(error: str, model: str, called: Sequence[str]) -> None:
    found = _NOT_LOADED.search(error)
    callee = (found["ready"] or found["known"]) if found else ""
    if callee and callee not in (model, *called):
        raise UsageError(
            f"--composing-models: {model!r} calls {callee!r}, which is not loaded ({error});"
            f" add --composing-models {callee}"
        )


def _zeros(payload: Payload) -> Payload:
    """A request of the same shapes without content."""
    tensors = (
        replace(
            each,
            data=np.full(each.data.shape, b"", np.object_) if each.datatype == "BYTES" else np.zeros_like(each.data),
        )
        for each in payload.inputs
    )
    return replace(payload, inputs=tuple(tensors))
