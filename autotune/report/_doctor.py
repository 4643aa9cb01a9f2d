"""What ``autotune doctor`` found."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from autotune.server import Diagnosis


def doctor_table(findings: Sequence[Diagnosis], console: Console | None = None) -> None:
    """Prints each launch mode with what is there, what it lacks and how to mend that."""
    console = console or Console()
    for finding in findings:
        mark, style = ("✓", "green") if finding.available else ("✗", "yellow")
        console.print(Text(f"{mark} {finding.name}", style=f"bold {style}"))
        for detail in finding.details:
            console.print(Text(f"    {detail}"), soft_wrap=True)
        for remedy in finding.remedies:
            console.print(Text(f"    → {remedy}", style="yellow"), soft_wrap=True)
