"""``autotune dashboard``: Optuna's dashboard on the study database."""

from __future__ import annotations

from dataclasses import dataclass

from autotune.request import Allowed, Panel, StoreRequest, option


@dataclass(frozen=True, kw_only=True)
class _Dashboard(StoreRequest):
    """An address and a database."""

    port: int = option(
        8080,
        "PORT",
        "The port to listen on.",
        panel=Panel.ADDRESS,
        allowed=Allowed(lambda port: 0 <= port < 65536, "a port from 0 to 65535"),
    )
    host: str = option(
        "127.0.0.1",
        "ADDRESS",
        "Loopback address to bind to; the dashboard has no login and can delete studies.",
        panel=Panel.ADDRESS,
    )


REQUEST = _Dashboard


def execute(request: _Dashboard) -> None:
    """Serves until interrupted."""
    from autotune import api
    from autotune.report import serve_dashboard

    store = api.open_store(results=request.results, storage=request.storage)
    serve_dashboard(store, host=request.host, port=request.port)
