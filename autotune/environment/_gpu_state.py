"""Throttling and memory use of the GPUs."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_DEADLINE_S = 10.0
_MEMORY = "memory.used"
_HW_SLOWDOWN = "hw_slowdown"
_SLOWDOWNS = (_HW_SLOWDOWN, "hw_thermal_slowdown", "hw_power_brake_slowdown", "sw_thermal_slowdown")
_REASONS = (*_SLOWDOWNS, "sw_power_cap")
_COUNTED_REASONS = ("hw_thermal_slowdown", "sw_thermal_slowdown", "sw_power_cap")
# Newest drivers first: they also count microseconds. Older ones name the reasons differently.
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
    """The state of all GPUs at one moment, from ``nvidia-smi``.

    Attributes:
        active: Reasons why any GPU is throttled now, by the driver's names: ``hw_slowdown``,
            ``hw_thermal_slowdown``, ``hw_power_brake_slowdown``, ``sw_thermal_slowdown``, ``sw_power_cap``.
        slowed_us: Microseconds under each reason so far, summed over GPUs; only reasons that the driver counts.
        memory_bytes: Memory in use on all GPUs, by any process.
    """

    active: frozenset[str]
    slowed_us: Mapping[str, int]
    memory_bytes: int

    def slowdowns_since(self, earlier: GpuState) -> tuple[str, ...]:
        """The reasons why a GPU was throttled at some time between the two states.

        Exact for reasons that the driver counts; else the reasons active at either end. ``hw_slowdown`` is active for a
        moment while clocks change, so it must be active at both ends. ``sw_power_cap`` does not count: many cards run
        at their power limit whenever they are busy.
        """
        return tuple(reason for reason in _SLOWDOWNS if self._slowed_since(earlier, reason))

    def _slowed_since(self, earlier: GpuState, reason: str) -> bool:
        if reason in self.slowed_us and reason in earlier.slowed_us:
            return self.slowed_us[reason] > earlier.slowed_us[reason]
        if reason == _HW_SLOWDOWN:
            return reason in self.active and reason in earlier.active
        return reason in self.active or reason in earlier.active


def gpu_state() -> GpuState | None:
    """The GPUs' state now; None without a working ``nvidia-smi``. Takes about 30 ms."""
    binary = shutil.which("nvidia-smi")
    fields = _understood(binary) if binary else None
    rows = _ask(binary, fields) if binary and fields else None
    if not fields or not rows:
        return None
    return _state([dict(zip(fields, row, strict=True)) for row in rows])


def may_have_gpu() -> bool:
    """Whether a process of this one's environment may find an NVIDIA GPU here; False is certain."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return False
    devices = (*Path("/dev").glob("nvidia[0-9]*"), *Path("/dev").glob("dxg"))  # the latter on Windows (WSL)
    return bool(devices) or gpu_state() is not None


@functools.cache
def _understood(binary: str) -> tuple[str, ...] | None:
    """The largest query that this driver accepts; it refuses a query with an unknown field."""
    return next((fields for fields in _QUERIES if _ask(binary, fields)), None)


def _ask(binary: str, fields: Sequence[str]) -> list[list[str]] | None:
    """One row per GPU; None if the query fails."""
    command = [binary, f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_DEADLINE_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    rows = [[cell.strip() for cell in line.split(",")] for line in answer.stdout.splitlines()]
    return [row for row in rows if len(row) == len(fields)] or None


def _state(gpus: Sequence[Mapping[str, str]]) -> GpuState:
    """Reads cells: ``Active``, ``Not Active``, a number, or text such as ``[N/A]`` if the GPU does not report it."""
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
