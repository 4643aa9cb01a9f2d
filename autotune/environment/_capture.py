"""Reads the environment of this machine."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.environment._cgroup import cpu_quota_cores, memory_limit_bytes
from autotune.environment._fingerprint import Environment, Gpu

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGES = (
    "triton-autotune",
    "optuna",
    "optuna-dashboard",
    "tritonclient",
    "nvidia-pytriton",
    "onnxruntime",
    "onnx",
    "numpy",
    "sqlalchemy",
    "docker",
)

_NVIDIA_SMI_DEADLINE_S = 10.0


def capture(launch: Mapping[str, str], model_digest: str) -> Environment:
    """The environment of this machine now; values that cannot be read are empty or 0.

    Args:
        launch: Launch mode and Triton's version, from `Launcher.describe`.
        model_digest: A digest of the model's files.
    """
    import psutil

    logical = psutil.cpu_count() or 1
    usable = float(len(os.sched_getaffinity(0)))
    quota = cpu_quota_cores()
    memory = int(psutil.virtual_memory().total)
    limit = memory_limit_bytes()
    return Environment(
        cpu_model=_cpu_model(),
        physical_cores=psutil.cpu_count(logical=False) or 0,
        logical_cores=logical,
        available_cores=usable if quota is None else min(usable, quota),
        memory_bytes=memory if limit is None else min(memory, limit),
        gpus=_gpus(),
        system=_system(),
        kernel=platform.release(),
        python=platform.python_version(),
        launch=dict(launch),
        model_digest=model_digest,
        packages=_packages(),
    )


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == "model name":  # absent on most ARM machines
            return value.strip()
    return platform.processor() or platform.machine()


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        return platform.system()


def _gpus() -> tuple[Gpu, ...]:
    command = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_NVIDIA_SMI_DEADLINE_S, check=True)
    except (OSError, subprocess.SubprocessError):  # no driver here, or one that does not answer
        return ()
    return tuple(_gpu(line) for line in answer.stdout.splitlines() if line.count(",") >= 2)


def _gpu(line: str) -> Gpu:
    name, driver, memory = (part.strip() for part in line.rsplit(",", 2))
    return Gpu(name=name, driver=driver, memory_mib=int(memory) if memory.isdigit() else 0)


def _packages() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
