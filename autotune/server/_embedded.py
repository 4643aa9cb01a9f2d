"""The ``embedded`` launch mode: the Triton server in the ``nvidia-pytriton`` wheel."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from autotune.environment import may_have_gpu
from autotune.errors import UsageError
from autotune.repository import ModelSpec
from autotune.server._belongings import SHARED_MEMORY, remove_orphans
from autotune.server._bundle import DISTRIBUTION, check_libpython, find_bundle, stage_bundle
from autotune.server._onnx_versions import check_onnx_versions
from autotune.server._options import LaunchOptions
from autotune.server._ports import check_ports
from autotune.server._safe_path import check_names, private_directory
from autotune.server._staged import is_onnx_only
from autotune.server._triton_process import launch_process
from autotune.server._types import RunningServer

# Triton's Python backend takes 1 MB per instance at the start, and more for tensors in flight.
LEAST_SHARED_MEMORY_BYTES = 16 << 20


@dataclass(frozen=True)
class EmbeddedLauncher:
    """Launches the wheel's server; see `Launcher`."""

    options: LaunchOptions = field(default_factory=LaunchOptions)
    name: str = field(default="embedded", init=False)
    reads_only: bool = field(default=False, init=False)

    def check(self) -> None:
        """Raises `UsageError` with the remedy if this mode cannot work here."""
        find_bundle()
        check_libpython()
        check_shared_memory("embedded")
        check_ports(self.options.http_port, self.options.grpc_port)

    @contextmanager
    def launch(
        self, repository: Path, model: str, log_path: Path, called: Sequence[str] = ()
    ) -> Iterator[RunningServer]:
        """See `Launcher.launch`."""
        remove_orphans()
        bundle, libpython = find_bundle(), check_libpython()
        with private_directory() as directory:
            binary = stage_bundle(bundle, libpython, directory, server_environment(repository))
            with launch_process(binary, self.options, repository, (model, *called), log_path) as server:
                yield server

    def check_model(self, spec: ModelSpec) -> None:
        """See `Launcher.check_model`."""
        check_names(spec)
        check_onnx_versions(spec)

    def has_gpu(self) -> bool:
        """See `Launcher.has_gpu`: the ONNX Runtime of this mode computes on CPUs only."""
        return False

    def finds_gpu(self) -> bool:
        """See `Launcher.finds_gpu`."""
        return may_have_gpu()

    def describe(self) -> dict[str, str]:
        """See `Launcher.describe`."""
        described = {
            "mode": self.name,
            "triton": find_bundle().version,
            DISTRIBUTION: importlib.metadata.version(DISTRIBUTION),
            "arguments": " ".join(self.options.triton_args),
        }
        return {key: value for key, value in described.items() if value}


def server_environment(repository: Path) -> Mapping[str, str]:
    """This process's environment; GPUs are hidden if only ONNX models are served.

    The embedded ONNX Runtime backend computes on the CPU. Triton does not know this, and would place instances whose
    kind is not set on every visible GPU. With other models in the repository, such a config must say KIND_CPU.
    """
    return {**os.environ, "CUDA_VISIBLE_DEVICES": ""} if is_onnx_only(repository) else os.environ


def check_shared_memory(mode: str) -> None:
    """Raises `UsageError` if ``/dev/shm`` has no room for Triton's Python backend."""
    free = free_shared_memory_bytes()
    if free < LEAST_SHARED_MEMORY_BYTES:
        raise UsageError(
            f"--launch {mode}: {SHARED_MEMORY} has {free >> 20} MiB free, Triton's Python backend needs "
            f"{LEAST_SHARED_MEMORY_BYTES >> 20} MiB; run `mount -o remount,size=1g {SHARED_MEMORY}`, "
            "or in a container start it with --shm-size 1g"
        )


def free_shared_memory_bytes() -> int:
    """Free bytes of ``/dev/shm``; 0 if it is missing."""
    try:
        status = os.statvfs(SHARED_MEMORY)
    except OSError:
        return 0
    return status.f_bavail * status.f_frsize
