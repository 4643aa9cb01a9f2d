"""Names for kinds of hardware."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from autotune.environment._fingerprint import Environment

_DIGITS = 4  # of a fingerprint, where two kinds would have the same name


def kind_names(environments: Sequence[Environment]) -> list[str]:
    """A name for each kind, such as ``nvidia-h200``, ``2x-nvidia-l4`` or ``amd-epyc-7763-8-cores``.

    Kinds with the same GPUs, or the same CPU and cores, differ in something else, such as a driver: digits of their
    fingerprints tell them apart.
    """
    names = [_name(each) for each in environments]
    count = Counter(names)
    return [
        name if count[name] == 1 else f"{name}-{each.digest[:_DIGITS]}"
        for name, each in zip(names, environments, strict=True)
    ]


def hardware_names(environment: Environment) -> tuple[str, ...]:
    """What a person may call this hardware: the names of its GPUs, then of its CPU."""
    return (*dict.fromkeys(gpu.name for gpu in environment.gpus), environment.cpu_model)


def _name(environment: Environment) -> str:
    count = Counter(gpu.name for gpu in environment.gpus)
    parts = [name if number == 1 else f"{number}x {name}" for name, number in count.items()]
    if not parts:
        cores = f"{environment.available_cores:g}"
        model = re.sub(r"\([^)]*\)|@.*|\b(CPU|Processor|\d+-Core)\b", " ", environment.cpu_model)
        parts = [model, cores, "core" if cores == "1" else "cores"]
    return re.sub(r"[^a-z0-9.]+", "-", " ".join(parts).lower()).strip("-.") or "unknown"
