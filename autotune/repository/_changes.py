"""Who changes a config when it is served, and how, in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autotune.repository._config import ModelConfig
    from autotune.repository._served import Difference

_SWITCHES = {"dynamic_batching": "dynamic batching", "sequence_batching": "sequence batching"}


# What a backend, or a model's auto_complete_config through it, may change; the rest is Triton's own doing.
# Source: https://github.com/triton-inference-server/core, release r24.10, ``TritonModel::UpdateModelConfig``.
_BACKENDS = (
    "max_batch_size",
    "input",
    "output",
    "dynamic_batching",
    "sequence_batching",
    "ensemble_scheduling",
    "model_transaction_policy",
)


def describe_changes(served: ModelConfig, changes: Sequence[Difference]) -> str:
    """One line, such as ``the model's auto_complete_config raises max_batch_size to 16``; empty without a change."""
    own: dict[str, list[str]] = {}
    for each in changes:
        if not _is_written_size(each):
            own.setdefault(_who(served, each), []).append(_words(each))
    # Triton 2.51 fills it in before it asks the model, which then may raise max_batch_size.
    filled = [f"Triton sets {each.path} to {_value(each.served)}" for each in changes if _is_written_size(each)]
    return "; ".join([*(f"{who} {_joined(words)}" for who, words in own.items()), *filled])


def _is_written_size(change: Difference) -> bool:
    return change.path == "dynamic_batching.preferred_batch_size" and change.asked is None


def _who(served: ModelConfig, change: Difference) -> str:
    if re.split(r"[.\[]", change.path)[0] not in _BACKENDS:
        return "Triton"
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
    plain = isinstance(served, str | bool) or (
        isinstance(served, tuple) and not any(isinstance(x, dict) for x in served)
    )
    return f"sets {path} to {_value(served)}" if plain else f"changes {path}"


def _value(value: Any) -> str:
    """A word or a list as a config has it."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _joined(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
