"""The findings of ``autotune doctor`` for each launch mode."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Diagnosis:
    """The findings for one launch mode.

    Attributes:
        name: The launch mode, ``machine`` or ``model repository``.
        available: Whether it works on this machine.
        details: Findings, one line each.
        remedies: How to install what is missing, one line each.
    """

    name: str
    available: bool
    details: list[str] = field(default_factory=list)
    remedies: list[str] = field(default_factory=list)
