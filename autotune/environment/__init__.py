"""The environment of a measurement (machine and software), and how busy the machine is."""

from autotune.environment._capture import capture
from autotune.environment._fingerprint import Environment, Gpu, differences
from autotune.environment._gpu_state import GpuState, gpu_state, may_have_gpu
from autotune.environment._kinds import hardware_names, kind_names
from autotune.environment._machine_load import MachineLoad, MachineUse
from autotune.environment._machine_lock import machine_lock
from autotune.environment._memory_kills import MemoryKills
from autotune.environment._processes import cpu_s, memory_bytes, process_tree

__all__ = [
    "Environment",
    "Gpu",
    "GpuState",
    "MachineLoad",
    "MachineUse",
    "MemoryKills",
    "capture",
    "cpu_s",
    "differences",
    "gpu_state",
    "hardware_names",
    "kind_names",
    "machine_lock",
    "may_have_gpu",
    "memory_bytes",
    "process_tree",
]
