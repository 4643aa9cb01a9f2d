"""A model's counters, from the Prometheus metrics of a Triton server."""

from __future__ import annotations

import http.client
import time
import urllib.request
from dataclasses import dataclass, fields

from prometheus_client.parser import text_string_to_metric_families

from autotune.errors import AutotuneError

_MOST_BYTES = 16 * 1024 * 1024
_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Counters:
    """What a model's counters stood at, over all of its versions and devices; of several models their sums.

    Attributes:
        read_s: Monotonic time of the reading.
        requests: Requests answered (``nv_inference_request_success``).
        failures: Requests that failed (``nv_inference_request_failure``).
        inferences: Batch items (``nv_inference_count``).
        executions: Batches (``nv_inference_exec_count``).
        request_us: Time of all requests within the server (``nv_inference_request_duration_us``).
        queue_us: Time that they waited for an instance (``nv_inference_queue_duration_us``).
    """

    read_s: float
    requests: float = 0.0
    failures: float = 0.0
    inferences: float = 0.0
    executions: float = 0.0
    request_us: float = 0.0
    queue_us: float = 0.0


_NAMES = {
    "nv_inference_request_success": "requests",
    "nv_inference_request_failure": "failures",
    "nv_inference_count": "inferences",
    "nv_inference_exec_count": "executions",
    "nv_inference_request_duration_us": "request_us",
    "nv_inference_queue_duration_us": "queue_us",
}


def read_counters(url: str, *asked: str) -> Counters:
    """Reads the counters of a model, or of several that share the load together.

    Args:
        url: Of the metrics, ``http://HOST:8002/metrics``.
        asked: The models.

    Raises:
        AutotuneError: The server does not answer, or has no counters of one of the models.
    """
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310  # the command checked its scheme
            text = answer.read(_MOST_BYTES).decode(errors="replace")
    except (OSError, http.client.HTTPException, ValueError) as error:  # the second of what speaks no HTTP
        reason = getattr(error, "reason", None) or error
        raise AutotuneError(f"--metrics: {url} does not answer: {reason}") from None
    sums, models = dict.fromkeys((each.name for each in fields(Counters)[1:]), 0.0), set()
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                name = _NAMES.get(sample.name.removesuffix("_total"))
                if name is None:
                    continue
                models.add(sample.labels.get("model", ""))
                if sample.labels.get("model") in asked:
                    sums[name] += sample.value
    except ValueError as error:
        raise AutotuneError(f"--metrics: {url} is not in Prometheus' text format: {error}") from None
    missing = next((each for each in asked if each not in models), None)
    if missing is not None:
        found = f"it has {', '.join(sorted(models))}" if models else "it has none of any model"
        raise AutotuneError(f"--metrics: {url} has no counters of model {missing!r}; {found}")
    return Counters(time.monotonic(), **sums)
