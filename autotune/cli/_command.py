"""What every command's help has in common."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

from autotune.cli._options import Panel

EPILOG = (
    "Every option has an environment variable, AUTOTUNE_ and the flag: AUTOTUNE_SHM_SIZE is --shm-size."
    " Repeated values are separated by blanks there. Flags win over variables, variables over --config."
)


class Command(TyperCommand):
    """A command whose help begins with what matters: ``--help`` itself stands among the last options."""

    def get_help_option(self, ctx: Any) -> Any:
        """Typer's option, in the last panel instead of one of its own on top."""
        found = super().get_help_option(ctx)
        if found is not None:
            found.rich_help_panel = Panel.OUTPUT.value
            found.metavar = ""
        return found
