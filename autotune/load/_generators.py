"""The protocols: one line each."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autotune.errors import UsageError
from autotune.load._socket_generator import SocketGenerator
from autotune.load._target import LoadOptions, Target
from autotune.load._traffic import PERF_ANALYZER, Traffic
from autotune.load.http._request import build_http_request
from autotune.load.payload import Payload
from autotune.server import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autotune.load._generator import LoadGenerator
    from autotune.load._mix import Mix
    from autotune.load._schedule import Schedule
    from autotune.load._sequences import SequencePlan
    from autotune.load._transport import Transport
    from autotune.load.shared_memory import SharedTensors
    from autotune.load.shared_memory._layout import Placement


@dataclass(frozen=True)
class _Protocol:
    """How to serialise a request, and what sends it. Both import what they need when called."""

    port: Callable[[Endpoint], int]
    serialise: Callable[[Payload, Endpoint, Placement | None, bool | None], bytes]
    transport: Callable[[Target], Transport]


def _serialise_http(
    payload: Payload, endpoint: Endpoint, placement: Placement | None = None, text_ids: bool | None = None
) -> bytes:
    return build_http_request(payload, endpoint.host, endpoint.http_port, placement, text_ids=text_ids)


def _serialise_grpc(
    payload: Payload, endpoint: Endpoint, placement: Placement | None = None, text_ids: bool | None = None
) -> bytes:
    from autotune.load.grpc._request import build_grpc_request

    return build_grpc_request(payload, placement)


def _http_transport(target: Target) -> Transport:
    from autotune.load.http._transport import HttpTransport

    return HttpTransport(target)


def _grpc_transport(target: Target) -> Transport:
    from autotune.load.grpc._transport import GrpcTransport

    return GrpcTransport(target)


_PROTOCOLS = {
    "http": _Protocol(
        port=lambda endpoint: endpoint.http_port,
        serialise=_serialise_http,
        transport=_http_transport,
    ),
    "grpc": _Protocol(
        port=lambda endpoint: endpoint.grpc_port,
        serialise=_serialise_grpc,
        transport=_grpc_transport,
    ),
}


def protocols() -> tuple[str, ...]:
    """The names that ``--protocol`` takes."""
    return tuple(_PROTOCOLS)


def create_generator(
    protocol: str,
    endpoint: Endpoint,
    payloads: Payload | Sequence[Payload],
    *,
    options: LoadOptions = LoadOptions(),  # noqa: B008 - frozen
    in_process: bool = False,
    shared: SharedTensors | None = None,
    outputs: tuple[str, ...] = (),
    sequences: SequencePlan | None = None,
    mix: Mix | None = None,
) -> LoadGenerator:
    """A generator that sends ``payloads`` in turn to ``endpoint``; close it when done.

    It runs in a process of its own, so that this one's work does not disturb it, or in several where the rate
    needs them, unless ``in_process``. With ``shared`` its requests use that memory; close it after the generator.
    A response that lacks one of ``outputs`` is an error. With ``sequences`` the requests form those; with
    ``mix`` they go to several models.

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
    payloads = (payloads,) if isinstance(payloads, Payload) else tuple(payloads)

    def serialise(payload: Payload, placement: Placement | None = None) -> bytes:
        return chosen.serialise(payload, endpoint, placement, sequences.text_ids if sequences else None)

    requests = shared.requests(serialise) if shared else tuple(map(serialise, payloads))
    target = Target(protocol, endpoint.host, port, requests, payloads[0].batch_size, options, outputs, sequences, mix)
    if in_process:
        return generator_in_this_process(target.for_one_generator())
    from autotune.load.worker._fleet import Fleet

    return Fleet(target)


def generator_for(
    traffic: Traffic,
    endpoint: Endpoint,
    payloads: Sequence[Payload],
    outputs: tuple[str, ...] = (),
    sequences: SequencePlan | None = None,
    mix: Mix | None = None,
) -> LoadGenerator:
    """The generator for the user's choices; close it when done. A response that lacks one of ``outputs`` is an error.

    With ``sequences`` the requests form those; with ``mix`` they go to several models.

    Raises:
        UsageError: A host that does not resolve, a client that cannot run, or a server that cannot reach this
            machine's shared memory.
        ControlError: The server answers with errors, where tensors are to be put into shared memory.
    """
    if traffic.client == PERF_ANALYZER:
        from autotune.load.perf_analyzer import PerfAnalyzerGenerator, find_perf_analyzer

        return PerfAnalyzerGenerator(
            find_perf_analyzer(traffic.perf_analyzer), endpoint, traffic.protocol, tuple(payloads)
        )
    options = LoadOptions(streaming=traffic.streaming)
    if traffic.shared_memory:
        from autotune.load.shared_memory import SharedMemoryGenerator

        return SharedMemoryGenerator.create(
            endpoint,
            payloads,
            lambda shared: create_generator(
                traffic.protocol, endpoint, payloads, options=options, shared=shared, outputs=outputs
            ),
            endpoint.shared_memory,
        )
    return create_generator(
        traffic.protocol, endpoint, payloads, options=options, outputs=outputs, sequences=sequences, mix=mix
    )


def check_client(traffic: Traffic) -> None:
    """Raises `UsageError` where the client cannot send such traffic."""
    if traffic.client != PERF_ANALYZER:
        return
    from autotune.load.perf_analyzer import find_perf_analyzer

    if traffic.streaming or traffic.shared_memory:
        flag = "--streaming" if traffic.streaming else "--shared-memory"
        raise UsageError(f"{flag}: --client perf_analyzer cannot use it; drop one of them")
    find_perf_analyzer(traffic.perf_analyzer)


def check_offerable(traffic: Traffic, payloads: Sequence[Payload], schedules: Sequence[Schedule]) -> None:
    """Raises `UsageError` where this client cannot offer one of the loads in time; says the most it can.

    Takes a second or two where a rate is high enough to need a measurement of the client itself. Without
    payloads nothing is known and nothing is refused.
    """
    from autotune.load.worker._fleet import check_rate

    if not payloads or traffic.client == PERF_ANALYZER:
        return
    nowhere = Endpoint("127.0.0.1", 1, 1)
    serialise = _PROTOCOLS[traffic.protocol].serialise
    if traffic.shared_memory:
        from autotune.load.shared_memory import Layout

        # The memory is not there yet; where tensors lie makes no difference to the client
        layout = Layout.of("unknown", payloads, {}, slots=1)
        requests = layout.requests(lambda payload, placement: serialise(payload, nowhere, placement, None))
    else:
        requests = tuple(serialise(payload, nowhere, None, None) for payload in payloads)
    for schedule in schedules:
        check_rate(Target(traffic.protocol, nowhere.host, 1, requests, traffic.batch_size), schedule)


def generator_in_this_process(target: Target) -> LoadGenerator:
    """The generator of the target's protocol, running where it is called."""
    return SocketGenerator(target, _PROTOCOLS[target.protocol].transport)
