"""Connecting to a host: its address, and a socket to it."""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import Any

_TRY_ADDRESS_S = 1.0
_CONNECT_UNDER_WAY = (0, errno.EINPROGRESS)


def address_of(host: str, port: int) -> tuple[int, Any]:
    """The family and address to connect to: of several (``localhost`` may be ``::1`` too) the first that answers."""
    found = [(entry[0], entry[4]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for family, address in found if len(found) > 1 else ():
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.settimeout(_TRY_ADDRESS_S)
            sock.connect(address)
            return family, address
    return found[0]


def connecting_socket(family: int, address: Any) -> socket.socket:
    """A non-blocking socket that connects to ``address``; raises `OSError` where that fails at once."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    code = sock.connect_ex(address)
    if code not in _CONNECT_UNDER_WAY:
        sock.close()
        raise OSError(code, errno.errorcode.get(code, "connect failed"))
    return sock
