"""What a measurement comes to by what an objective optimises."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autotune.measurement._types import Measurement, Probe
    from autotune.objective import MemoryKind, Value


def value_of(measured: Measurement, value: Value) -> float:
    """Inferences/s, seconds or bytes; NaN if the measurement does not show it.

    Memory is that of the GPUs where there is one, else of the server's processes: the most in any window.
    """
    if value.maximise:
        return measured.rate_per_s
    if value.is_memory:
        found = measured.memory_bytes if measured.gpu_memory_bytes is None else measured.gpu_memory_bytes
        return math.nan if found is None else float(found)
    return (measured.latency_beside_s or measured.latency_s).get(value.name, math.nan)


def most_memory(probes: Sequence[Probe], kind: MemoryKind) -> int | None:
    """The most bytes of one kind of memory in any window; None where it cannot be seen."""
    seen = [used for probe in probes if probe.usage is not None and (used := probe.usage.of(kind)) is not None]
    return max(seen, default=None)
