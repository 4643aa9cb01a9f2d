"""``autotune dashboard``: Optuna's dashboard on the study database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from autotune.cli import _options as options
from autotune.cli._options import Panel, option


def dashboard(
    port: Annotated[
        int, option("--port", "PORT", "The port to listen on.", panel=Panel.ADDRESS, min=0, max=65535)
    ] = 8080,
    host: Annotated[
        str,
        option(
            "--host",
            "ADDRESS",
            "Loopback address to bind to; the dashboard has no login and can delete studies.",
            panel=Panel.ADDRESS,
        ),
    ] = "127.0.0.1",
    results: options.Results = Path("results"),
    storage: options.Storage = None,
    config: options.ConfigFile = None,
) -> None:
    """Open Optuna's dashboard on the study database, on loopback only."""
    from autotune import api
    from autotune.report import serve_dashboard

    serve_dashboard(api.open_store(results=results, storage=storage), host=host, port=port)
