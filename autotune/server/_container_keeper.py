"""Removes a container when the process that started it is gone without having done so.

This file is run as a script, ``python -I -S _container_keeper.py FD SOCKET NAME``. It uses the standard library only,
so that it starts in milliseconds. ``FD`` is a socket to the process that started it, the parent;
``SOCKET`` is the Docker engine's, ``NAME`` the container's.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time

DONE = b"done"
"""What the parent says once it has removed the container itself."""
_CREATION_S = 3.0  # the engine may finish creating a container that nobody waits for any more
_RETRY_S = 0.2


def main(arguments: list[str]) -> None:
    """Waits for the parent's end, or for its word that nothing is to be done."""
    for each in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):  # the parent's end is what counts
        signal.signal(each, signal.SIG_IGN)
    fd, engine, name = arguments
    with socket.socket(fileno=int(fd)) as control:
        if control.recv(64) == DONE:
            return
    deadline = time.monotonic() + _CREATION_S
    while not _remove(engine, name) and time.monotonic() < deadline:
        time.sleep(_RETRY_S)


def _remove(engine: str, name: str) -> bool:
    """Whether the engine removed the container."""
    request = f"DELETE /containers/{name}?force=1&v=1 HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(engine)
            connection.sendall(request.encode())
            return b" 204 " in connection.recv(4096).partition(b"\r\n")[0]
    except OSError:
        return False


if __name__ == "__main__":
    os.chdir("/")
    main(sys.argv[1:])
