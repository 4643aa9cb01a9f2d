"""Triton's control plane over HTTP: health, metadata, config, statistics, load and unload."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from autotune.errors import AutotuneError
from autotune.reading import parse_json
from autotune.server._types import ModelStatistics


class ControlError(AutotuneError):
    """The server answered with an error; the message is the server's."""


class Unreachable(ControlError):
    """Nothing answered, or something that is not Triton."""


@dataclass(frozen=True)
class ControlClient:
    """Requests to one Triton's HTTP endpoint; a fresh connection for each.

    Attributes:
        host: The server's host.
        port: The server's HTTP port.
        timeout_s: Seconds that an answer may take.
    """

    host: str
    port: int
    timeout_s: float = 10.0

    def ready(self) -> bool:
        """Whether the server and the models loaded at startup are ready."""
        try:
            return self._exchange("GET", "/v2/health/ready")[0] == 200
        except Unreachable:
            return False

    def alive(self) -> bool:
        """Whether the server answers, ready or not."""
        try:
            return self._exchange("GET", "/v2/health/live")[0] == 200
        except Unreachable:
            return False

    def model_ready(self, model: str) -> bool:
        """Whether ``model`` is ready."""
        try:
            return self._exchange("GET", f"/v2/models/{quote(model)}/ready")[0] == 200
        except Unreachable:
            return False

    def metadata(self) -> dict[str, object]:
        """The server's ``/v2``: name, version, extensions.

        Raises:
            Unreachable: Nothing answers.
            ControlError: The server's error.
        """
        return self._object("GET", "/v2")

    def model_metadata(self, model: str) -> dict[str, object]:
        """The model's inputs and outputs; raises as `metadata`."""
        return self._object("GET", f"/v2/models/{quote(model)}")

    def model_config(self, model: str) -> dict[str, object]:
        """The config as Triton completed it; raises as `metadata`."""
        return self._object("GET", f"/v2/models/{quote(model)}/config")

    def statistics(self, model: str) -> ModelStatistics:
        """Cumulative statistics of all versions of ``model``; raises as `metadata`."""
        return parse_statistics(self._object("GET", f"/v2/models/{quote(model)}/stats"))

    def index(self) -> list[dict[str, str]]:
        """Name, version, state and reason of every model in the server's repositories; raises as `metadata`."""
        answer = self._json("POST", "/v2/repository/index", {})
        return [{str(key): str(value) for key, value in entry.items()} for entry in answer]

    def load(self, model: str, config: dict[str, object] | None = None, timeout_s: float | None = None) -> None:
        """Loads ``model``, with ``config`` in place of its ``config.pbtxt`` if given; raises as `metadata`."""
        body = {"parameters": {"config": json.dumps(config)}} if config is not None else {}
        self._json("POST", f"/v2/repository/models/{quote(model)}/load", body, timeout_s)

    def unload(self, model: str) -> None:
        """Requests the unload of ``model``; returns before it is done. Raises as `metadata`."""
        self._json("POST", f"/v2/repository/models/{quote(model)}/unload", {})

    def _object(self, method: str, path: str) -> dict[str, object]:
        answer = self._json(method, path)
        if not isinstance(answer, dict):
            raise Unreachable(f"{self.host}:{self.port}{path} does not answer like Triton")
        return answer

    def _json(self, method: str, path: str, body: object = None, timeout_s: float | None = None) -> Any:
        status, content = self._exchange(method, path, body, timeout_s)
        try:
            answer = parse_json(content) if content else {}
        except ValueError:
            raise Unreachable(f"{self.host}:{self.port}{path} does not answer like Triton (HTTP {status})") from None
        if status != 200:
            reason = answer.get("error") if isinstance(answer, dict) else None
            raise ControlError(str(reason or f"HTTP {status}"))
        return answer

    def _exchange(
        self, method: str, path: str, body: object = None, timeout_s: float | None = None
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout_s or self.timeout_s)
        try:
            connection.request(method, path, body=None if body is None else json.dumps(body))
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            words = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise Unreachable(f"{self.host}:{self.port} does not answer: {words}") from None
        finally:
            connection.close()


def parse_statistics(answer: dict[str, Any]) -> ModelStatistics:
    """The sum over versions of an answer of ``/v2/models/M/stats``."""
    totals = dict.fromkeys((name for name in ModelStatistics.__dataclass_fields__ if not name.startswith("batch_")), 0)
    executions: Counter[int] = Counter()
    compute_ns: Counter[int] = Counter()
    for version in answer.get("model_stats", []):
        inference = version.get("inference_stats", {})
        totals["inference_count"] += int(version.get("inference_count", 0))
        totals["execution_count"] += int(version.get("execution_count", 0))
        totals["success_count"] += _of(inference, "success", "count")
        totals["fail_count"] += _of(inference, "fail", "count")
        totals["request_ns"] += _of(inference, "success", "ns")
        totals["cache_hit_count"] += _of(inference, "cache_hit", "count")
        totals["cache_miss_count"] += _of(inference, "cache_miss", "count")
        for part in ("queue", "compute_input", "compute_infer", "compute_output"):
            totals[f"{part}_ns"] += _of(inference, part, "ns")
        for batch in version.get("batch_stats", []):
            size = int(batch["batch_size"])
            executions[size] += _of(batch, "compute_infer", "count")
            compute_ns[size] += sum(_of(batch, f"compute_{part}", "ns") for part in ("input", "infer", "output"))
    return ModelStatistics(
        **totals,
        batch_executions=dict(sorted(executions.items())),
        batch_compute_ns=dict(sorted(compute_ns.items())),
    )


def _of(statistics: dict[str, Any], part: str, field: str) -> int:
    return int(statistics.get(part, {}).get(field, 0))
