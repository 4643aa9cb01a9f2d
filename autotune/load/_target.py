"""What a generator sends and where: all that its process needs to know."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LoadOptions:
    """Limits of a generator.

    Attributes:
        max_connections: Connections (HTTP) or outstanding calls (gRPC) at a time in open loop; beyond it
            requests wait, while their latency runs.
        streaming: Whether responses come as a stream, of which the first is timed too (gRPC only; what
            decoupled models need).
    """

    max_connections: int = 1024
    streaming: bool = False


@dataclass(frozen=True)
class Target:
    """Requests on the wire and the address they go to.

    Attributes:
        protocol: A name in `autotune.load.protocols`.
        host: Host name or address.
        port: The protocol's port.
        requests: Complete serialised requests, sent in turn.
        batch_size: Inferences in each.
        options: Limits.
    """

    protocol: str
    host: str
    port: int
    requests: tuple[bytes, ...]
    batch_size: int = 1
    options: LoadOptions = LoadOptions()
