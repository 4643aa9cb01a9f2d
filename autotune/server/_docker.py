"""The ``docker`` launch mode: a fresh container for each server."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autotune.environment import MemoryKills
from autotune.repository import ModelSpec
from autotune.server._arguments import triton_arguments
from autotune.server._autocomplete import needs_completion
from autotune.server._belongings import SHARED_MEMORY, new_prefix, remove_orphans
from autotune.server._checks import parse_user
from autotune.server._container import RAISE_MEMORY, Container, remove_orphaned_containers
from autotune.server._container_settings import container_path, container_settings
from autotune.server._container_user import check_readable, check_runs
from autotune.server._control import ControlClient
from autotune.server._engine import connect, default_image, find_image, has_gpu, has_host_network
from autotune.server._options import LaunchOptions
from autotune.server._ports import LOOPBACK, PORT_ATTEMPTS, Ports, PortsTaken, check_ports, pick_ports
from autotune.server._readiness import ReadyServer, await_ready
from autotune.server._safe_path import check_names
from autotune.server._types import Endpoint, RunningServer, ServerCrashed


@dataclass(frozen=True)
class DockerLauncher:
    """Launches containers of one image; see `Launcher`."""

    options: LaunchOptions = field(default_factory=LaunchOptions)
    name: str = field(default="docker", init=False)
    reads_only: bool = field(default=True, init=False)

    def check(self) -> None:
        """Raises `UsageError` with the remedy if this mode cannot work here."""
        with closing(connect()) as client:
            info = client.info()
            image = find_image(client, self.options.image or default_image(info))
            settings = container_settings(self.options, info, None)
            check_ports(self.options.http_port, self.options.grpc_port)
            if self.options.container_user is not None:
                check_runs(client, image, settings)

    @contextmanager
    def launch(
        self, repository: Path, model: str, log_path: Path, called: Sequence[str] = ()
    ) -> Iterator[RunningServer]:
        """See `Launcher.launch`."""
        complete_config = needs_completion(repository, (model, *called))
        with closing(connect()) as client:
            remove_orphaned_containers(client)
            remove_orphans()
            info = client.info()
            image = find_image(client, self.options.image or default_image(info))
            settings = container_settings(self.options, info, repository)
            shared = _shared_memory(settings) if self.options.share_memory else None
            host_network = has_host_network(info)
            started = time.monotonic()
            container = Container(client, log_path)
            try:
                for attempt in range(1, PORT_ATTEMPTS + 1):
                    ports = pick_ports(self.options.http_port, self.options.grpc_port)
                    name = new_prefix().rstrip("-")
                    arguments = triton_arguments(
                        server_id=name,
                        repository=container_path(repository),
                        models=(model, *called),
                        # A published port reaches the container's address, not its loopback.
                        address=LOOPBACK if host_network else "0.0.0.0",  # noqa: S104
                        ports=ports,
                        stop_grace_s=self.options.stop_grace_s,
                        complete_config=complete_config,
                        extra=self.options.triton_args,
                    )
                    try:
                        container.start(
                            image, ["tritonserver", *arguments], model, settings | _network(host_network, ports)
                        )
                        control = ControlClient(LOOPBACK, ports.http)
                        await_ready(control, name, model, self.options.start_timeout_s, container.check)
                        break
                    except PortsTaken as taken:
                        container.remove(0)
                        if attempt == PORT_ATTEMPTS or not ports.chosen:
                            raise ServerCrashed(f"a port was taken while the server started: {taken}") from None
                container.ready = True
                server = ReadyServer(
                    endpoint=Endpoint(LOOPBACK, ports.http, ports.grpc, shared or SHARED_MEMORY),
                    model=model,
                    startup_s=time.monotonic() - started,
                    log_path=log_path,
                    alive=container.check_now,
                    pid=container.pid(f"--id={name}"),
                )
                kills = MemoryKills(server.pid) if server.pid else None
                with server.watching_model(kills, RAISE_MEMORY) as watched:
                    yield watched
            finally:
                container.remove(self.options.stop_grace_s)
                if shared:
                    shutil.rmtree(shared, ignore_errors=True)

    def check_model(self, spec: ModelSpec) -> None:
        """See `Launcher.check_model`: the versions of that server's backends cannot be seen from here."""
        check_names(spec)
        if self.options.container_user is not None:
            check_readable(parse_user(self.options.container_user), spec)

    def has_gpu(self) -> bool:
        """See `Launcher.has_gpu`."""
        if self.options.gpus == "none":
            return False
        with closing(connect()) as client:
            return has_gpu(client.info())

    def finds_gpu(self) -> bool:
        """See `Launcher.finds_gpu`."""
        return self.has_gpu()

    def describe(self) -> dict[str, str]:
        """See `Launcher.describe`."""
        with closing(connect()) as client:
            info = client.info()
            reference = self.options.image or default_image(info)
            image = find_image(client, reference)
            environment = dict(entry.partition("=")[::2] for entry in image.attrs["Config"].get("Env") or [])
            described = {
                "mode": self.name,
                "image": reference,
                "image id": str(image.id),
                "triton": environment.get("TRITON_SERVER_VERSION", "unknown"),
                "engine": str(info.get("ServerVersion", "unknown")),
                "network": "host" if has_host_network(info) else "published ports",
                "limits": " ".join(
                    f"{flag}={value}"
                    for flag, value in (
                        ("memory", self.options.memory),
                        ("shm-size", self.options.shm_size),
                        ("cpuset-cpus", self.options.cpuset_cpus),
                        ("gpus", self.options.gpus),
                        ("container-user", self.options.container_user),
                    )
                    if value
                ),
                "arguments": " ".join(self.options.triton_args),
            }
            return {key: value for key, value in described.items() if value}


def _shared_memory(settings: dict[str, Any]) -> Path:
    """A directory in this machine's ``/dev/shm``, which becomes the container's ``/dev/shm``.

    With ``--ipc host`` instead, a killed server's files would stay.
    """
    directory = SHARED_MEMORY / f"{new_prefix()}shm"
    directory.mkdir(mode=0o700)
    settings["volumes"].append(f"{directory}:{SHARED_MEMORY}")
    return directory


def _network(host_network: bool, ports: Ports) -> dict[str, Any]:
    if host_network:
        return {"network_mode": "host"}
    return {"ports": {f"{port}/tcp": (LOOPBACK, port) for port in (ports.http, ports.grpc, ports.metrics)}}
