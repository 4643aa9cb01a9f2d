"""Loads and unloads models over gRPC.

A load over HTTP holds up the HTTP connections that share its thread until it returns, other people's too (seen on
Triton 2.51: 3.3 s); over gRPC nothing waits.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from autotune.server._control import ControlClient, ControlError, Unreachable
from autotune.server._types import Endpoint

_ANSWER_S = 2.0  # guess: a gRPC port that does not answer in this time is not used


class ModelControl(Protocol):
    """Loads and unloads models of one server."""

    def load(self, model: str, config: dict[str, object] | None = None, timeout_s: float | None = None) -> None:
        """See `ControlClient.load`."""

    def unload(self, model: str) -> None:
        """See `ControlClient.unload`."""


@dataclass(frozen=True)
class GrpcModelControl:
    """Model control over gRPC; a fresh connection for each call.

    Attributes:
        address: The server's ``HOST:PORT`` for gRPC.
        timeout_s: Seconds that an answer may take.
    """

    address: str
    timeout_s: float = 10.0

    def load(self, model: str, config: dict[str, object] | None = None, timeout_s: float | None = None) -> None:
        """See `ControlClient.load`."""
        text = json.dumps(config) if config is not None else None
        self._call(lambda client, limit_s: client.load_model(model, config=text, client_timeout=limit_s), timeout_s)

    def unload(self, model: str) -> None:
        """See `ControlClient.unload`."""
        self._call(lambda client, limit_s: client.unload_model(model, client_timeout=limit_s))

    def server(self) -> tuple[str, str]:
        """The server's name and version; raises as `ControlClient.metadata`."""
        found = self._call(lambda client, limit_s: client.get_server_metadata(client_timeout=limit_s))
        return str(found.name), str(found.version)

    def _call(self, ask: Callable[[Any, float], Any], timeout_s: float | None = None) -> Any:
        import grpc
        from tritonclient.grpc import InferenceServerClient
        from tritonclient.utils import InferenceServerException

        try:
            with InferenceServerClient(self.address) as client:
                return ask(client, timeout_s or self.timeout_s)
        except InferenceServerException as error:
            if error.status() == str(grpc.StatusCode.DEADLINE_EXCEEDED):
                raise Unreachable(f"{self.address} does not answer: timed out") from None
            unreachable = error.status() == str(grpc.StatusCode.UNAVAILABLE)
            raise (Unreachable if unreachable else ControlError)(str(error.message())) from None


def model_control(endpoint: Endpoint, http: ControlClient) -> ModelControl:
    """Model control over gRPC if the same server answers there, else over HTTP."""
    over_grpc = GrpcModelControl(f"{endpoint.host}:{endpoint.grpc_port}", _ANSWER_S)
    try:
        found = http.metadata()
        is_same = over_grpc.server() == (str(found.get("name")), str(found.get("version")))
    except ControlError:
        return http
    return GrpcModelControl(over_grpc.address) if is_same else http
