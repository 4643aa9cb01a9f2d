"""The application: registers every command. A new command is a file here and one line below."""

from __future__ import annotations

from typing import Annotated

import typer

from autotune.cli import _dashboard, _doctor, _export, _measure, _run, _studies
from autotune.cli._command import EPILOG, Command

app = typer.Typer(
    name="autotune",
    help="Finds the best Triton Inference Server configuration for a model under a latency promise.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"autotune {version('triton-autotune')}")
        raise typer.Exit


@app.callback()
def _global_options(
    version: Annotated[
        bool, typer.Option("--version", metavar="", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None: ...


app.command("run", cls=Command, epilog=EPILOG)(_run.run)
app.command("measure", cls=Command, epilog=EPILOG)(_measure.measure)
app.command("export", cls=Command, epilog=EPILOG)(_export.export)
app.add_typer(_studies.app, name="studies")
app.command("dashboard", cls=Command, epilog=EPILOG)(_dashboard.dashboard)
app.command("doctor", cls=Command, epilog=EPILOG)(_doctor.doctor)
