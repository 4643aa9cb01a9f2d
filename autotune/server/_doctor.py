"""Looks at this machine for each launch mode; starts nothing."""

from __future__ import annotations

from autotune.server._diagnosis import Diagnosis
from autotune.server._options import LaunchOptions


def diagnose(options: LaunchOptions | None = None) -> list[Diagnosis]:
    """The machine and each launch mode: what is there, what it lacks and how to mend that."""
    return []
