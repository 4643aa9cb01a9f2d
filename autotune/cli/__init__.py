"""The command line: one file per command, each thin over the package."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from autotune.cli._exit_codes import INTERRUPTED_EXIT_CODE
from autotune.cli._one_line import one_line
from autotune.passwords import without_passwords

if TYPE_CHECKING:
    import typer


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code; an error that the user can fix is one line on standard error."""
    import typer

    from autotune.cli._app import app
    from autotune.errors import AutotuneError

    try:
        code = app(args=list(arguments) if arguments is not None else None, standalone_mode=False)
    except AutotuneError as error:
        _complain(str(error))
        return error.exit_code
    except typer.TyperException as error:
        _complain(_in_one_line(error))
        return error.exit_code
    except BrokenPipeError:
        return 1
    if code == INTERRUPTED_EXIT_CODE:  # what typer makes of a KeyboardInterrupt
        _complain("interrupted" + _how_to_resume(sys.argv[1:] if arguments is None else arguments))
    return code if isinstance(code, int) else 0


def _how_to_resume(arguments: Sequence[str]) -> str:
    """The command that goes on with a study, without the password of a database."""
    if not arguments or arguments[0] != "run":
        return ""
    return "; to resume: " + without_passwords(shlex.join(["autotune", *arguments]))


def _complain(message: str) -> None:
    sys.stderr.write(f"autotune: {one_line(message)}\n")


def _in_one_line(error: typer.TyperException) -> str:
    """Typer's error, with the flag before it."""
    import typer

    parameter = getattr(error, "param", None)
    if isinstance(error, typer.BadParameter) and parameter is not None:
        reason = " ".join(error.message.split())
        problems: list[Any] = getattr(error.__cause__, "errors", list)()  # pydantic's, which know the value
        found = f"found {problems[0]['input']!r}; " if problems else ""
        return f"{parameter.opts[0]}: {found}{reason[:1].lower()}{reason[1:]}"
    return " ".join(error.format_message().split())
