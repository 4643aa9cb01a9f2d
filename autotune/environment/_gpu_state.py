"""Whether the GPUs are being slowed down, and their memory in use."""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_DEADLINE_S = 10.0
_MEMORY = "memory.used"
_HW_SLOWDOWN = "hw_slowdown"
_SLOWDOWNS = (_HW_SLOWDOWN, "hw_thermal_slowdown", "hw_power_brake_slowdown", "sw_thermal_slowdown")
_REASONS = (*_SLOWDOWNS, "sw_power_cap")
_COUNTED_REASONS = ("hw_thermal_slowdown", "sw_thermal_slowdown", "sw_power_cap")
# Newest drivers first: they count the microseconds too; older ones have another name for the reasons.
_NOW, _NOW_OLD = "clocks_event_reasons", "clocks_throttle_reasons"
_COUNTED = "clocks_event_reasons_counters"
_QUERIES = (
    (
        _MEMORY,
        *(f"{_NOW}.{reason}" for reason in _REASONS),
        *(f"{_COUNTED}.{reason}" for reason in _COUNTED_REASONS),
    ),
    (_MEMORY, *(f"{_NOW}.{reason}" for reason in _REASONS)),
    (_MEMORY, *(f"{_NOW_OLD}.{reason}" for reason in _REASONS)),
)


@dataclass(frozen=True)
class GpuState:
    """What ``nvidia-smi`` says of all GPUs at one moment.

    Attributes:
        active: Why any of them runs slower than it could right now, by the driver's names: ``hw_slowdown``,
            ``hw_thermal_slowdown``, ``hw_power_brake_slowdown``, ``sw_thermal_slowdown``, ``sw_power_cap``.
        slowed_us: Microseconds spent under each reason so far, all GPUs together; only those that the driver
            counts.
        memory_bytes: Memory in use on all GPUs, whoever uses it.
    """

    active: frozenset[str]
    slowed_us: Mapping[str, int]
    memory_bytes: int

    def slowdowns_since(self, earlier: GpuState) -> tuple[str, ...]:
        """The reasons for which a GPU ran slower than it can for long, at some time in between.

        Exact where the driver counts; else those active at either end. ``hw_slowdown`` shows for a moment while
        clocks change, so it counts where both ends show it. ``sw_power_cap`` is none of them: many cards run at
        their power limit whenever they are busy.
        """
        return tuple(reason for reason in _SLOWDOWNS if self._slowed_since(earlier, reason))

    def _slowed_since(self, earlier: GpuState, reason: str) -> bool:
        if reason in self.slowed_us and reason in earlier.slowed_us:
            return self.slowed_us[reason] > earlier.slowed_us[reason]
        if reason == _HW_SLOWDOWN:
            return reason in self.active and reason in earlier.active
        return reason in self.active or reason in earlier.active


def gpu_state() -> GpuState | None:
    """The GPUs' state now; None where there is no ``nvidia-smi`` or it does not answer. Takes some 30 ms with one."""
    binary = shutil.which("nvidia-smi")
    fields = _understood(binary) if binary else None
    rows = _ask(binary, fields) if binary and fields else None
    if not fields or not rows:
        return None
    return _state([dict(zip(fields, row, strict=True)) for row in rows])


@functools.cache
def _understood(binary: str) -> tuple[str, ...] | None:
    """The most that this driver answers to: it refuses a query with any field it does not know."""
    return next((fields for fields in _QUERIES if _ask(binary, fields)), None)


def _ask(binary: str, fields: Sequence[str]) -> list[list[str]] | None:
    """One row for each GPU; None where it is refused or nothing answers."""
    command = [binary, f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_DEADLINE_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    rows = [[cell.strip() for cell in line.split(",")] for line in answer.stdout.splitlines()]
    return [row for row in rows if len(row) == len(fields)] or None


def _state(gpus: Sequence[Mapping[str, str]]) -> GpuState:
    """Cells are ``Active``, ``Not Active``, a number, or ``[N/A]`` and the like where a GPU does not tell."""
    active: set[str] = set()
    slowed_us: dict[str, int] = {}
    memory_mib = 0
    for gpu in gpus:
        for field, cell in gpu.items():
            group, _, reason = field.rpartition(".")
            if group == _COUNTED and cell.isdigit():
                slowed_us[reason] = slowed_us.get(reason, 0) + int(cell)
            elif field == _MEMORY and cell.isdigit():
                memory_mib += int(cell)
            elif cell == "Active":
                active.add(reason)
    return GpuState(frozenset(active), slowed_us, memory_mib << 20)
