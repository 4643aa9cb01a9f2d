"""Who changes a config when it is served, and how, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autotune.repository._config import ModelConfig
    from autotune.repository._served import Difference

_SWITCHES = {"dynamic_batching": "dynamic batching", "sequence_batching": "sequence batching"}


def describe_changes(served: ModelConfig, changes: Sequence[Difference]) -> str:
    """One line, such as ``the model's auto_complete_config raises max_batch_size to 16``; empty without a change."""
    words = [_words(each) for each in changes]
    return f"{_who(served)} {_joined(words)}" if words else ""


def _who(served: ModelConfig) -> str:
    if served.backend == "python":
        return "the model's auto_complete_config"
    return f"the {served.backend} backend" if served.backend else "Triton"


def _words(change: Difference) -> str:
    path, asked, served = change.path, change.asked, change.served
    if path in _SWITCHES and (asked is None or served is None):
        return f"switches {_SWITCHES[path]} {'off' if served is None else 'on'}"
    if served is None:
        return f"removes {path}"
    if isinstance(served, int) and not isinstance(served, bool):
        return f"{'raises' if served > (asked or 0) else 'lowers'} {path} to {served}"
    return f"sets {path} to {served}" if isinstance(served, str | bool) else f"changes {path}"


def _joined(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
