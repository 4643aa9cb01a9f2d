"""Finds the best Triton Inference Server configuration for a model under a latency promise.

`tune` and `measure` do what ``autotune run`` and ``autotune measure`` do and return the same results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autotune.api import measure, tune

__all__ = ["measure", "tune"]


def __getattr__(name: str) -> object:
    """Imports the interface when it is first used, so that ``import autotune`` stays light."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from autotune import api

    return getattr(api, name)
