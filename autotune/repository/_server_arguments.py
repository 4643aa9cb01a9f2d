"""Arguments of ``tritonserver`` that a config is served with, kept among its parameters.

A parameter whose key is such an argument, such as ``--http-thread-count``, belongs to the server rather than to the
model: backends pass over keys that they do not know. So what was measured is all in the config.
"""

from __future__ import annotations

from collections.abc import Iterable

from autotune.errors import UsageError
from autotune.repository._config import ModelConfig

ARGUMENT_FIELD = "parameters.--"
"""How the path of such a parameter begins."""


def server_arguments(configs: Iterable[ModelConfig]) -> tuple[str, ...]:
    """The arguments that configs are served with, such as ``--http-thread-count=16``, sorted.

    Raises:
        UsageError: Two configs have different values of one.
    """
    found: dict[str, tuple[str, str]] = {}
    for config in configs:
        for key, value in sorted((config.value("parameters") or {}).items()):
            if not key.startswith("--"):
                continue
            model, before = found.setdefault(key, (config.name, str(value)))
            if before != str(value):
                raise UsageError(
                    f"parameters: {key} is {before} in the config of {model} and {value} in that of {config.name};"
                    " one server has one value, remove one"
                )
    return tuple(f"{key}={value}" for key, (_, value) in sorted(found.items()))
