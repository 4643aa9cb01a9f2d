"""``autotune dashboard``: Optuna's dashboard on the study database, with notes and artifacts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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
        "Address to bind to; the dashboard has no login.",
        panel=Panel.ADDRESS,
    )
    read_only: bool = option(False, "", "Refuse every request that changes something.", panel=Panel.ADDRESS)


REQUEST = _Dashboard


def execute(request: _Dashboard) -> None:
    """Serves until interrupted."""
    from autotune import api
    from autotune.report.dashboard import serve_dashboard

    store = api.open_store(results=request.results, storage=request.storage)
    serve_dashboard(store, Path(request.results), request.host, request.port, read_only=request.read_only)
