"""Commands made from requests: flags, environment variables and ``--config`` keys from their fields."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand

from autotune.cli._config_file import load_config_file
from autotune.cli._help import write_help
from autotune.errors import UsageError
from autotune.request import Option, Panel, Request, options_of

_Request = TypeVar("_Request", bound=Request)
_EPILOG = (
    "Every option has an environment variable, AUTOTUNE_ and the flag: AUTOTUNE_SHM_SIZE is --shm-size."
    " There, spaces separate repeated values. Flags win over variables, variables over --config."
)


def make_command(
    name: str,
    help: str,  # noqa: A002
    request: type[_Request],
    execute: Callable[[_Request], None],
) -> TyperCommand:
    """The command that fills a request from its options and executes it."""
    options = options_of(request)

    def fill_and_execute(context: typer.Context, **values: Any) -> None:
        given = {
            name: value
            for name, value in values.items()
            if name in options and value is not None and _is_given(context, name)
        }
        execute(request(**given))

    context = _keyword("context", inspect.Parameter.empty, typer.Context)
    parameters = [context, *map(_parameter, options.values()), _config_parameter(options)]
    fill_and_execute.__dict__["__signature__"] = inspect.Signature(parameters)
    fill_and_execute.__annotations__ = {}
    app = typer.Typer(add_completion=False)
    app.command(name, cls=_Command, help=help, epilog=_EPILOG)(fill_and_execute)
    command: TyperCommand = typer.main.get_command(app)  # type: ignore[assignment]  # no group: it has one command
    return command


def _is_given(context: typer.Context, name: str) -> bool:
    """Whether an option's value comes from the command line, a variable or the file rather than from its default."""
    source = context.get_parameter_source(name)
    return source is None or source.name != "DEFAULT"


class _Command(TyperCommand):
    """A command that refuses an option given twice, unless it is repeatable."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses as usual.

        Raises:
            UsageError: An option that takes one value is given twice.
        """
        _, _, given = self.make_parser(ctx).parse_args(args=list(args))
        for each in given:
            if given.count(each) > 1 and not (each.multiple or each.is_eager):
                raise UsageError(f"{each.opts[0]}: is given {given.count(each)} times; give it once")
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Writes the help in panels."""
        write_help(self, ctx, formatter, {}, [panel.value for panel in Panel])


def _parameter(option: Option) -> inspect.Parameter:
    shown: dict[str, Any] = {"metavar": option.metavar, "help": option.help, "rich_help_panel": option.panel.value}
    info = (
        typer.Argument(**shown)
        if option.argument
        else typer.Option(option.flag, *option.aliases, envvar=option.variable, show_envvar=False, **shown)
    )
    kind: Any = list[str] if option.repeatable else option.type
    default = None if option.repeatable else option.default
    annotation: Any = Annotated[kind if default is not None else kind | None, info]
    return _keyword(option.name, default, annotation)


def _config_parameter(options: Mapping[str, Option]) -> inspect.Parameter:
    def load(context: typer.Context, path: Path | None) -> Path | None:
        return load_config_file(context, path, options)

    info = typer.Option(
        "--config",
        metavar="FILE",
        help="YAML file of these options, without the leading dashes; flags win.",
        envvar="AUTOTUNE_CONFIG",
        rich_help_panel=Panel.OUTPUT.value,
        callback=load,
        is_eager=True,
    )
    return _keyword("config", None, Annotated[Path | None, info])


def _keyword(name: str, default: Any, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
