"""``autotune dashboard``: Optuna's dashboard on the study database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autotune.cli import _options as options


def dashboard(
    port: Annotated[
        int,
        typer.Option(
            "--port", metavar="PORT", help="Port on 127.0.0.1.", min=0, max=65535, envvar="AUTOTUNE_DASHBOARD_PORT"
        ),
    ] = 8080,
    host: Annotated[
        str,
        typer.Option(
            "--host",
            metavar="ADDRESS",
            help="Loopback address to bind to; the dashboard has no login and can delete studies.",
            envvar="AUTOTUNE_DASHBOARD_HOST",
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
