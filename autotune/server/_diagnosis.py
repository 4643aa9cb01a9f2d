"""What ``autotune doctor`` finds for each launch mode."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Diagnosis:
    """What one launch mode finds here.

    Attributes:
        name: The launch mode, or ``machine``.
        available: Whether it can work here.
        details: What was found, one line each.
        remedies: What to do about what is missing, one line each.
    """

    name: str
    available: bool
    details: list[str] = field(default_factory=list)
    remedies: list[str] = field(default_factory=list)
