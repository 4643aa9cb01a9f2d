"""How servers are launched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.errors import UsageError
from autotune.objective import parse_duration
from autotune.request._option import Panel, Request, option

if TYPE_CHECKING:
    from autotune.server import Launcher


@dataclass(frozen=True, kw_only=True)
class ServerRequest(Request):
    """The launch mode and its settings."""

    launch: str = option(
        "auto",
        "auto|docker|local|embedded|remote",
        "How Triton is started; auto takes the first that is ready.",
        panel=Panel.SERVER,
    )
    image: str | None = option(None, "REF", "Docker image with tritonserver on its PATH.", panel=Panel.SERVER)
    memory: str | None = option(None, "SIZE", "Memory limit of the container, such as 4g.", panel=Panel.SERVER)
    shm_size: str | None = option(None, "SIZE", "Size of the container's /dev/shm.", panel=Panel.SERVER)
    cpuset_cpus: str | None = option(None, "CPUS", "CPUs the container may use, such as 0-3.", panel=Panel.SERVER)
    gpus: str = option(
        "auto", "auto|none|all|IDS", "GPUs of the container; auto takes all if the engine has any.", panel=Panel.SERVER
    )
    mount: Sequence[str] = option(
        (), "HOST:CONTAINER[:rw]", "Extra bind mount of the container; may be repeated.", panel=Panel.SERVER
    )
    container_user: str | None = option(
        None, "UID[:GID]", "User who runs the container; by default, you.", panel=Panel.SERVER
    )
    writable_container: bool = option(
        False, "", "Let the container write to its own root filesystem, not only to /tmp.", panel=Panel.SERVER
    )
    triton_arg: Sequence[str] = option(
        (),
        "ARG",
        "Extra tritonserver argument, as in --triton-arg=--log-verbose=1; may be repeated.",
        panel=Panel.SERVER,
    )
    triton_path: str | Path | None = option(
        None, "FILE", "The tritonserver binary of --launch local.", panel=Panel.SERVER
    )
    url: str | None = option(
        None,
        "HOST:PORT[,GRPC_PORT]",
        "The running server of --launch remote, in explicit model-control mode.",
        panel=Panel.SERVER,
    )
    http_port: int | None = option(None, "PORT", "Triton's HTTP port; a free one by default.", panel=Panel.SERVER)
    grpc_port: int | None = option(None, "PORT", "Triton's gRPC port; a free one by default.", panel=Panel.SERVER)
    start_timeout: str = option(
        "120s", "DURATION", "Most time from launch until a server is ready.", panel=Panel.SERVER
    )

    def launcher(self, *, share_memory: bool = False) -> tuple[Launcher, str]:
        """The launcher, and one line that says which it is and why.

        Args:
            share_memory: Whether clients pass tensors through shared memory.

        Raises:
            UsageError: The launch mode is unknown or cannot work here, or an option does not go with it.
        """
        from autotune.server import LaunchOptions, choose_launcher

        if share_memory and self.shm_size:
            raise UsageError("--shm-size: --shared-memory system gives the server all of /dev/shm; drop --shm-size")
        options = LaunchOptions(
            image=self.image,
            memory=self.memory,
            shm_size=self.shm_size,
            share_memory=share_memory,
            cpuset_cpus=self.cpuset_cpus,
            gpus=self.gpus,
            mounts=tuple(self.mount),
            container_user=self.container_user,
            writable_container=self.writable_container,
            triton_args=tuple(self.triton_arg),
            triton_path=Path(self.triton_path) if self.triton_path else None,
            url=self.url,
            http_port=self.http_port,
            grpc_port=self.grpc_port,
            start_timeout_s=parse_duration(self.start_timeout, "--start-timeout"),
        )
        return choose_launcher(self.launch, options)
