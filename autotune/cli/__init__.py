"""The command line: one file per command, each thin over the package."""

from __future__ import annotations

import sys
from collections.abc import Sequence

INTERRUPTED_EXIT_CODE = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code; an error a person can fix is one line on standard error."""
    import typer

    from autotune.cli._app import app
    from autotune.errors import AutotuneError

    try:
        code = app(args=list(arguments) if arguments is not None else None, standalone_mode=False)
    except AutotuneError as error:
        _complain(str(error))
        return error.exit_code
    except typer.TyperException as error:
        message = _one_line(error.format_message())
        if message:  # none where a command without arguments showed its help
            _complain(message)
        return error.exit_code
    except BrokenPipeError:
        return 1
    if code == INTERRUPTED_EXIT_CODE:  # what typer makes of a KeyboardInterrupt
        _complain("interrupted")
    return code if isinstance(code, int) else 0


def _complain(message: str) -> None:
    sys.stderr.write(f"autotune: {message}\n")


def _one_line(message: str) -> str:
    return " ".join(message.split())
