"""A recorded comparison, read back as the baseline of a check."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotune.environment import Environment, Gpu
from autotune.errors import UsageError
from autotune.reading import Unreadable, parse_json, read_text

_MOST_BYTES = 64 << 20  # guess: a record of 100 rounds has some megabytes
_REMEDY = "record one with autotune check --record FILE, or autotune compare --json"


@dataclass(frozen=True)
class Baseline:
    """The fastest config of a recorded comparison.

    Attributes:
        model: The model's name.
        configs: The text of each model's config.
        metric: What was compared, in words.
        mean: The config's geometric mean when it was recorded.
        environment: Where it was recorded.
    """

    model: str
    configs: Mapping[str, str]
    metric: str
    mean: float
    environment: Environment


def read_baseline(path: Path, flag: str = "--baseline") -> Baseline:
    """Reads what ``compare --json`` or ``check --record`` wrote.

    Raises:
        UsageError: The file cannot be read, or is no such file, or no config of it was measured.
    """
    try:
        found = parse_json(read_text(path, _MOST_BYTES))
    except Unreadable as error:
        raise UsageError(f"{flag}: cannot read {path}: {error}") from None
    except ValueError as error:
        raise UsageError(f"{flag}: {path} is no JSON ({error}); {_REMEDY}") from None
    try:
        fastest = found["fastest"]
        if fastest is None:
            raise UsageError(f"{flag}: no config of {path} was measured; {_REMEDY}")
        (best,) = (each for each in found["configs"] if each["name"] == fastest)
        baseline = Baseline(
            str(found["model"]),
            {str(name): str(text) for name, text in best["configs"].items()},
            str(found["metric"]),
            float(best["mean"]),
            _environment(found["environment"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{flag}: {path} is no recorded comparison; {_REMEDY}") from error
    if not baseline.configs or not math.isfinite(baseline.mean):
        raise UsageError(f"{flag}: {path} is no recorded comparison; {_REMEDY}")
    return baseline


def other_machine(before: Environment, now: Environment) -> list[str]:
    """What differs in the machine, a phrase each; software is not part of it."""
    facts = (
        ("CPU", before.cpu_model, now.cpu_model),
        ("CPU cores", before.logical_cores, now.logical_cores),
        ("available CPU cores", before.available_cores, now.available_cores),
        ("GPUs", _gpus(before), _gpus(now)),
    )
    return [f"{name} {old} then, {new} now" for name, old, new in facts if old != new]


def _gpus(environment: Environment) -> str:
    return ", ".join(f"{gpu.name} ({gpu.memory_mib} MiB)" for gpu in environment.gpus) or "none"


def _environment(found: Mapping[str, Any]) -> Environment:
    return Environment(**{**found, "gpus": tuple(Gpu(**gpu) for gpu in found["gpus"])})
