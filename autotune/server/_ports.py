"""TCP ports on this machine's loopback."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from autotune.errors import UsageError

LOOPBACK = "127.0.0.1"
# Another process may take a port after it is chosen and before Triton binds it.
PORT_ATTEMPTS = 3


class PortsTaken(Exception):
    """A server ended because another process took its port."""


@dataclass(frozen=True)
class Ports:
    """The ports of one server. ``chosen``: autotune chose them, so that others may replace them after a clash."""

    http: int
    grpc: int
    metrics: int
    chosen: bool


def pick_ports(http_port: int | None, grpc_port: int | None) -> Ports:
    """Returns free ports, including the requested ones.

    Raises:
        UsageError: A requested port is in use; the message names the flag.
    """
    check_ports(http_port, grpc_port)
    free = _free(3)
    return Ports(
        http=http_port if http_port is not None else free[0],
        grpc=grpc_port if grpc_port is not None else free[1],
        metrics=free[2],
        chosen=http_port is None or grpc_port is None,
    )


def check_ports(http_port: int | None, grpc_port: int | None) -> None:
    """Raises `UsageError` if a requested port is not free; the message names the flag."""
    check_distinct_ports(http_port, grpc_port)
    check_port("--http-port", http_port)
    check_port("--grpc-port", grpc_port)


def check_distinct_ports(http_port: int | None, grpc_port: int | None) -> None:
    """Raises `UsageError` if both are the same port."""
    if http_port is not None and http_port == grpc_port:
        raise UsageError(f"--grpc-port: {grpc_port} is also --http-port; give two different ports")


def check_port(flag: str, port: int | None) -> None:
    """Raises `UsageError` that names ``flag`` if ``port`` is no port or is in use on the loopback."""
    if port is None:
        return
    if not 0 < port < 65536:
        raise UsageError(f"{flag}: {port} is not a port; give 1 to 65535, or leave it out for a free one")
    with socket.socket() as probe:
        # Triton's listeners set this too: a port in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except PermissionError:
            raise UsageError(f"{flag}: no permission to listen on {LOOPBACK}:{port}; give 1024 or above") from None
        except OSError:
            raise UsageError(
                f"{flag}: {LOOPBACK}:{port} is in use; end what listens there, or leave {flag} out for a free one"
            ) from None


def _free(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
