"""Which of a host's addresses to connect to."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

_TRY_ADDRESS_S = 1.0


def address_of(host: str, port: int) -> tuple[int, Any]:
    """The family and address to connect to: of several (``localhost`` may be ``::1`` too) the first that answers."""
    found = [(entry[0], entry[4]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for family, address in found if len(found) > 1 else ():
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.settimeout(_TRY_ADDRESS_S)
            sock.connect(address)
            return family, address
    return found[0]
