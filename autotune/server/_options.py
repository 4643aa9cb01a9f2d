"""The options of a launch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class LaunchOptions:
    """Options of all launch modes; each mode uses its own.

    Attributes:
        image: Docker image with ``tritonserver`` on its PATH; None for the default one.
        memory: Memory limit of the container (``4g``).
        shm_size: Size of the container's ``/dev/shm``; None for 1 GiB.
        share_memory: Whether clients put tensors into the container's ``/dev/shm``.
        cpuset_cpus: CPUs the container may use (``0-3``).
        gpus: ``auto`` (all if the engine can pass them through), ``none``, ``all``, or ids (``0,1``).
        mounts: Extra bind mounts, ``HOST:CONTAINER`` or ``HOST:CONTAINER:ro``.
        container_user: Who runs the container, ``UID`` or ``UID:GID``; None for the user of this process.
        writable_container: Whether the container may write to its own root filesystem.
        triton_args: Extra ``tritonserver`` arguments, added last.
        triton_path: The ``tritonserver`` of the local mode.
        url: ``HOST:PORT`` or ``HOST:PORT,GRPC_PORT`` of the remote mode.
        http_port: Triton's HTTP port; None for a free one.
        grpc_port: Triton's gRPC port; None for a free one.
        start_timeout_s: Seconds a server may take to become ready.
        stop_grace_s: Seconds a server may take to end its models (a Python model's ``finalize``) before it is killed.
            0 kills at once: no request is in flight when a trial ends, and a graceful stop of the Python backend
            takes 1 to 3 s per server.
    """

    image: str | None = None
    memory: str | None = None
    shm_size: str | None = None
    share_memory: bool = False
    cpuset_cpus: str | None = None
    gpus: str = "auto"
    mounts: tuple[str, ...] = ()
    container_user: str | None = None
    writable_container: bool = False
    triton_args: tuple[str, ...] = ()
    triton_path: Path | None = None
    url: str | None = None
    http_port: int | None = None
    grpc_port: int | None = None
    start_timeout_s: float = 120.0
    stop_grace_s: float = 0.0
