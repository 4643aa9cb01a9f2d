"""What a generator sends and where: all that its process needs to know."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LoadOptions:
    """Limits of a generator.

    Attributes:
        max_connections: Connections (HTTP) or outstanding calls (gRPC) at a time in open loop; beyond it
            requests wait, while their latency runs.
        max_outstanding: In open loop, once more requests than this are due and unanswered, the window is
            given up: what is outstanding counts as ``timeout``, the rest as ``unsent``, and an overloaded
            probe ends early. None: never.
    """

    max_connections: int = 1024
    max_outstanding: int | None = None


@dataclass(frozen=True)
class Target:
    """One request on the wire and the address it goes to.

    Attributes:
        protocol: A name in `autotune.load.protocols`.
        host: Host name or address.
        port: The protocol's port.
        request: The complete serialised request.
        batch_size: Inferences in it.
        options: Limits.
    """

    protocol: str
    host: str
    port: int
    request: bytes
    batch_size: int = 1
    options: LoadOptions = LoadOptions()
