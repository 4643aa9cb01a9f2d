"""The protocols: one line each."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autotune.errors import UsageError
from autotune.load._http_request import build_http_request
from autotune.load._target import LoadOptions, Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from autotune.load._types import LoadGenerator, Payload
    from autotune.server import Endpoint


@dataclass(frozen=True)
class _Protocol:
    """How to serialise a request, and what sends it. Both import what they need when called."""

    port: Callable[[Endpoint], int]
    serialise: Callable[[Payload, Endpoint], bytes]
    generator: Callable[[Target], LoadGenerator]


def _serialise_grpc(payload: Payload, endpoint: Endpoint) -> bytes:
    from autotune.load._grpc_request import build_grpc_request

    return build_grpc_request(payload)


def _http_generator(target: Target) -> LoadGenerator:
    from autotune.load._http import HttpGenerator

    return HttpGenerator(target)


def _grpc_generator(target: Target) -> LoadGenerator:
    from autotune.load._grpc import GrpcGenerator

    return GrpcGenerator(target)


_PROTOCOLS = {
    "http": _Protocol(
        port=lambda endpoint: endpoint.http_port,
        serialise=lambda payload, endpoint: build_http_request(payload, endpoint.host, endpoint.http_port),
        generator=_http_generator,
    ),
    "grpc": _Protocol(
        port=lambda endpoint: endpoint.grpc_port,
        serialise=_serialise_grpc,
        generator=_grpc_generator,
    ),
}


def protocols() -> tuple[str, ...]:
    """The names that ``--protocol`` takes."""
    return tuple(_PROTOCOLS)


def create_generator(
    protocol: str,
    endpoint: Endpoint,
    payload: Payload,
    *,
    options: LoadOptions = LoadOptions(),  # noqa: B008 - frozen
    in_process: bool = False,
) -> LoadGenerator:
    """A generator that sends ``payload`` to ``endpoint``; close it when done.

    It runs in a process of its own, so that this one's work does not disturb it, unless ``in_process``.

    Raises:
        UsageError: An unknown protocol, or a host that does not resolve.
    """
    if protocol not in _PROTOCOLS:
        raise UsageError(f"--protocol: {protocol!r} is unknown; use {' or '.join(_PROTOCOLS)}")
    chosen = _PROTOCOLS[protocol]
    port = chosen.port(endpoint)
    try:
        socket.getaddrinfo(endpoint.host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise UsageError(f"--url: host {endpoint.host!r} does not resolve: {error.strerror}") from error
    target = Target(protocol, endpoint.host, port, chosen.serialise(payload, endpoint), payload.batch_size, options)
    if in_process:
        return generator_in_this_process(target)
    from autotune.load._worker import WorkerGenerator

    return WorkerGenerator(target)


def generator_in_this_process(target: Target) -> LoadGenerator:
    """The generator of the target's protocol, running where it is called."""
    return _PROTOCOLS[target.protocol].generator(target)
