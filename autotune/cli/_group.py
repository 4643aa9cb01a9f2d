"""A group of commands that imports each one only when it is called, so that its help is quick."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from autotune.cli._help import write_help


@dataclass(frozen=True)
class Entry:
    """A command that is not imported yet.

    Attributes:
        module: Where it is; its ``REQUEST`` is the class of its options, its ``execute`` runs one.
        help: What its help says; the first paragraph is shown in the list of commands too.
    """

    module: str
    help: str

    def load(self, name: str) -> TyperCommand:
        """The command."""
        from autotune.cli._command import make_command

        module = import_module(self.module)
        return make_command(name, self.help, module.REQUEST, module.execute)


class Group(TyperGroup):
    """Commands by name, loaded when they are called."""

    def __init__(
        self,
        name: str,
        help: str,  # noqa: A002
        commands: Mapping[str, Entry | Group],
        options: Callable[..., None] | None = None,
    ) -> None:
        self.entries = commands
        super().__init__(
            name=name,
            help=help,
            commands=_Loaded(commands),  # type: ignore[arg-type]  # only looked up in
            params=typer.main.get_command(_with_options(options)).params if options else [],
            context_settings={"help_option_names": ["-h", "--help"]},
        )

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses as usual; without arguments the help is shown, and it is an error."""
        if not args:
            typer.echo(ctx.get_help())
            raise typer.Exit(2)
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Writes the help without loading a command."""
        rows = [(name, inspect.cleandoc(each.help or "").split("\n\n")[0]) for name, each in self.entries.items()]
        write_help(self, ctx, formatter, {"Commands": rows}, ["Commands", "Options"])


class _Loaded(Mapping[str, TyperCommand | Group]):
    """Commands by name, loaded when they are looked up."""

    def __init__(self, entries: Mapping[str, Entry | Group]) -> None:
        self._entries = entries
        self._loaded: dict[str, TyperCommand | Group] = {}

    def __getitem__(self, name: str) -> TyperCommand | Group:
        if name not in self._loaded:
            entry = self._entries[name]
            self._loaded[name] = entry.load(name) if isinstance(entry, Entry) else entry
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _with_options(options: Callable[..., None]) -> typer.Typer:
    app = typer.Typer(add_completion=False)
    app.command()(options)
    return app
