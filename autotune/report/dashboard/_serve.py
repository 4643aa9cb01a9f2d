"""The dashboard's server."""

from __future__ import annotations

import errno
import ipaddress
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from rich.console import Console

from autotune.errors import UsageError
from autotune.report.dashboard._artifacts import ArtifactStore
from autotune.report.dashboard._guard import guarded
from autotune.report.dashboard._storage import ShownStorage
from autotune.store import Store

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_UPLOADS = "artifacts"  # directory of uploaded artifacts, in the results directory


def serve_dashboard(
    store: Store,
    results: Path,
    host: str,
    port: int,
    *,
    read_only: bool = False,
    console: Console | None = None,
) -> None:
    """Serves the dashboard until interrupted.

    Args:
        store: The database.
        results: The results directory.
        host: The address to bind to.
        port: The port; 0 for a free one.
        read_only: Whether requests that change something are refused.
        console: Where to say the address; standard error otherwise.

    Raises:
        UsageError: No address of this machine, or the port is in use.
    """
    console = console or Console(stderr=True)
    family, is_loopback = _resolved(host)
    application = dashboard_application(store, results, read_only=read_only)
    server_class: type[WSGIServer] = type("_Server", (WSGIServer,), {"address_family": family})
    try:
        server = make_server(host, port, application, server_class, handler_class=_QuietHandler)
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise UsageError(f"--host: {host} is no address of this machine; use 127.0.0.1") from error
        raise UsageError(f"--port: cannot listen on {host}:{port}: {error.strerror}; choose another --port") from error
    with server:
        url = f"http://{f'[{host}]' if ':' in host else host}:{server.server_port}"
        console.print(f"Optuna's dashboard: {url} (Ctrl-C ends it)", highlight=False, markup=False, soft_wrap=True)
        if not is_loopback:
            console.print(_open_warning(read_only), style="yellow", highlight=False, soft_wrap=True)
        # Not in this thread: wsgiref swallows a KeyboardInterrupt that arrives while a request is answered.
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        try:
            serving.start()
            serving.join()
        except KeyboardInterrupt:
            if serving.ident is not None:  # to shut down what was never started waits for ever
                server.shutdown()
            console.print("dashboard ended")


def dashboard_application(store: Store, results: Path, *, read_only: bool = False) -> WSGIApplication:
    """Optuna's dashboard as a WSGI application; arguments as for `serve_dashboard`."""
    from optuna_dashboard import wsgi

    storage = ShownStorage(store, results)
    artifacts = ArtifactStore(results / _UPLOADS, storage.find_artifact)
    return guarded(wsgi(storage, artifacts), read_only=read_only)


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the base class's
        """Requests of a browser are of no interest."""


def _open_warning(read_only: bool) -> str:
    """What others can do where the dashboard can be reached from other machines."""
    can = "read all studies and server logs" if read_only else "read and delete all studies; --read-only prevents that"
    return f"warning: the dashboard has no login: whoever reaches this address can {can}"


def _resolved(host: str) -> tuple[socket.AddressFamily, bool]:
    """The family of an address, and whether all that it stands for is loopback."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no such name is possible"
        raise UsageError(f"--host: {host!r} is not an address: {reason}; use 127.0.0.1") from error
    families = [info[0] for info in found]
    family = socket.AF_INET if socket.AF_INET in families else families[0]
    return family, all(ipaddress.ip_address(info[4][0]).is_loopback for info in found)
