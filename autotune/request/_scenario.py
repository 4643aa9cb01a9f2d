"""Scenarios: the loads that reports about Triton measure, by name. A new one is a line in `SCENARIOS`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autotune.errors import UsageError

SCENARIOS: Mapping[str, Mapping[str, Any]] = {
    "offline": {"batch_size": "1,2,4,8,16,32,64", "concurrency": "1", "shared_memory": "system"},
    "online": {"batch_size": "1", "concurrency": "8:256:8"},
}
"""The options that each scenario stands for, as in the Triton reports of NVIDIA's Deep Learning Examples."""


def scenario_options(name: str) -> Mapping[str, Any]:
    """The options that a scenario stands for; raises `UsageError` if there is none of that name."""
    if name not in SCENARIOS:
        raise UsageError(f"--scenario: {name!r} is unknown; use {' or '.join(SCENARIOS)}")
    return SCENARIOS[name]
