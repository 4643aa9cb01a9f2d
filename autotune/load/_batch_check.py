"""Whether requests of one model can be batched, asked of a ready server before any load."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from autotune.load._single_request import error_of
from autotune.load.payload import Payload
from autotune.server import Endpoint, LoadFailed


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
        if error_of(endpoint, payload) or not (error := error_of(endpoint, both)):
            return
    except (OSError, ValueError, http.client.HTTPException):  # for the measurement to tell
        return
    raise LoadFailed(
        f"a batch of 2 requests fails though one alone does not: {error}; export the model so that all outputs have its"
        " batch dimension, or write max_batch_size: 1"
    )
