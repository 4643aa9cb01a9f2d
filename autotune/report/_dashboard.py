"""Optuna's dashboard on a study database."""

from __future__ import annotations

import ipaddress
import socket
import threading
from wsgiref.simple_server import WSGIRequestHandler, make_server

from rich.console import Console

from autotune.errors import UsageError
from autotune.store import Store


def serve_dashboard(store: Store, host: str, port: int, console: Console | None = None) -> None:
    """Serves the dashboard until interrupted.

    Args:
        store: The database.
        host: A loopback address: the dashboard has no login and can delete studies.
        port: The port; 0 for a free one.
        console: Where to say the address; standard error otherwise.

    Raises:
        UsageError: Not a loopback address, or the port is in use.
    """
    from optuna_dashboard import wsgi

    console = console or Console(stderr=True)
    _check_loopback(host)
    application = wsgi(store.optuna_storage())
    try:
        server = make_server(host, port, application, handler_class=_QuietHandler)
    except OSError as error:
        raise UsageError(f"--port: cannot listen on {host}:{port}: {error.strerror}; choose another --port") from error
    with server:
        console.print(f"Optuna's dashboard: http://{host}:{server.server_port} (Ctrl-C ends it)", highlight=False)
        # Not in this thread: wsgiref swallows a KeyboardInterrupt that arrives while a request is answered.
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        try:
            serving.start()
            serving.join()
        except KeyboardInterrupt:
            server.shutdown()
            console.print("dashboard ended")


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the base class's
        """Requests of a browser are of no interest."""


def _check_loopback(host: str) -> None:
    try:
        addresses = {info[4][0] for info in socket.getaddrinfo(host, None)}
    except OSError as error:
        raise UsageError(f"--host: {host!r} is not an address: {error.strerror}; use 127.0.0.1") from error
    if not all(ipaddress.ip_address(address).is_loopback for address in addresses):
        raise UsageError(f"--host: {host!r} is not a loopback address; the dashboard has no login, use 127.0.0.1")
