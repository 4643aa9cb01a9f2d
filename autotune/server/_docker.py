"""The ``docker`` launch mode: a fresh container for each server."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autotune.errors import UsageError
from autotune.server._arguments import triton_arguments
from autotune.server._autocomplete import needs_completion
from autotune.server._belongings import new_prefix
from autotune.server._container import (
    container_labels,
    container_settings,
    parse_mount,
    remove_orphaned_containers,
)
from autotune.server._control import ControlClient
from autotune.server._engine import connect, default_image, find_image, has_host_network
from autotune.server._options import LaunchOptions
from autotune.server._ports import LOOPBACK, Ports, check_port, pick_ports
from autotune.server._readiness import ReadyServer, await_ready
from autotune.server._reason import exit_text, last_words, load_reason, ports_clashed
from autotune.server._types import Endpoint, LoadFailed, RunningServer, ServerCrashed

_PORT_ATTEMPTS = 3
# How often the engine is asked whether the container still runs, while HTTP is polled far more often.
_INSPECT_EVERY_S = 0.1


class _PortsTaken(Exception):
    """The server ended because someone took a port we had chosen."""


@dataclass(frozen=True)
class DockerLauncher:
    """Launches containers of one image; see `Launcher`."""

    options: LaunchOptions = field(default_factory=LaunchOptions)
    name: str = field(default="docker", init=False)

    def check(self) -> None:
        """Raises `UsageError` with the remedy where this mode cannot work here."""
        with closing(connect()) as client:
            info = client.info()
            find_image(client, self.options.image or default_image(info))
            container_settings(self.options, info, Path())
        for mount in self.options.mounts:
            parse_mount(mount)
        check_port("--http-port", self.options.http_port)
        check_port("--grpc-port", self.options.grpc_port)

    @contextmanager
    def launch(self, repository: Path, model: str, log_path: Path) -> Iterator[RunningServer]:
        """See `Launcher.launch`."""
        complete_config = needs_completion(repository, model)
        with closing(connect()) as client:
            remove_orphaned_containers(client)
            info = client.info()
            image = find_image(client, self.options.image or default_image(info))
            settings = container_settings(self.options, info, repository)
            host_network = has_host_network(info)
            started = time.monotonic()
            container = _Container(client, log_path)
            try:
                for attempt in range(1, _PORT_ATTEMPTS + 1):
                    ports = pick_ports(self.options.http_port, self.options.grpc_port)
                    name = new_prefix().rstrip("-")
                    arguments = triton_arguments(
                        server_id=name,
                        repository="/models",
                        model=model,
                        # A published port reaches the container's own address, not its loopback.
                        address=LOOPBACK if host_network else "0.0.0.0",  # noqa: S104
                        ports=ports,
                        stop_grace_s=self.options.stop_grace_s,
                        complete_config=complete_config,
                        extra=self.options.triton_args,
                    )
                    container.create(
                        image, ["tritonserver", *arguments], model, settings | _network(host_network, ports)
                    )
                    try:
                        container.start()
                        control = ControlClient(LOOPBACK, ports.http)
                        await_ready(control, name, model, self.options.start_timeout_s, container.check)
                        break
                    except _PortsTaken:
                        container.remove(0)
                        if attempt == _PORT_ATTEMPTS or not ports.chosen:
                            raise ServerCrashed("a port was taken while the server started") from None
                container.ready = True
                yield ReadyServer(
                    endpoint=Endpoint(LOOPBACK, ports.http, ports.grpc),
                    model=model,
                    startup_s=time.monotonic() - started,
                    log_path=log_path,
                    alive=container.check_now,
                )
            finally:
                container.remove(self.options.stop_grace_s)

    def describe(self) -> dict[str, str]:
        """See `Launcher.describe`."""
        with closing(connect()) as client:
            info = client.info()
            reference = self.options.image or default_image(info)
            image = find_image(client, reference)
            environment = dict(entry.partition("=")[::2] for entry in image.attrs["Config"].get("Env") or [])
            return {
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
                    )
                    if value
                ),
                "arguments": " ".join(self.options.triton_args),
            }


def _network(host_network: bool, ports: Ports) -> dict[str, Any]:
    if host_network:
        return {"network_mode": "host"}
    return {"ports": {f"{port}/tcp": (LOOPBACK, port) for port in (ports.http, ports.grpc, ports.metrics)}}


class _Container:
    """One container: says how it ended, keeps its log, is always removed."""

    def __init__(self, client: Any, log_path: Path) -> None:
        self._client = client
        self._log_path = log_path
        self._container: Any = None
        self._asked = 0.0
        self.ready = False

    def create(self, image: Any, command: list[str], model: str, settings: dict[str, Any]) -> None:
        """Creates it; raises `UsageError` where the engine refuses the settings."""
        from docker.errors import APIError

        try:
            self._container = self._client.containers.create(
                image.id, command, labels=container_labels(model), **settings
            )
        except (APIError, ValueError) as error:
            raise UsageError(f"--launch docker: {_own_words(error)}") from None

    def start(self) -> None:
        """Starts it; raises `UsageError` where the engine cannot."""
        from docker.errors import APIError

        try:
            self._container.start()
        except APIError as error:
            raise UsageError(f"--launch docker: {_own_words(error)}") from None

    def check(self) -> None:
        """`check_now`, but asks the engine only every 0.1 s."""
        if time.monotonic() - self._asked >= _INSPECT_EVERY_S:
            self.check_now()
            self._asked = time.monotonic()

    def check_now(self) -> None:
        """Raises where the container has ended: while starting, a refused load; later, a crash."""
        from docker.errors import DockerException, NotFound

        try:
            self._container.reload()
        except NotFound:
            raise ServerCrashed("the container was removed by someone else") from None
        except (DockerException, OSError) as error:
            raise ServerCrashed(f"the Docker engine no longer answers: {error}") from None
        state = self._container.attrs["State"]
        if state["Status"] not in ("exited", "dead"):
            return
        code = int(state["ExitCode"])
        log = self._container.logs().decode(errors="replace")
        how = "out of memory; raise --memory" if state.get("OOMKilled") else exit_text(code)
        if self.ready:
            raise ServerCrashed(f"the server ended ({how}): {last_words(log)}")
        if ports_clashed(log):
            raise _PortsTaken
        reason = load_reason(log)
        if reason and code == 1:
            raise LoadFailed(reason)
        raise ServerCrashed(f"the server ended while starting ({how}): {reason or last_words(log)}")

    def remove(self, grace_s: float) -> None:
        """Ends it, keeps its log, removes it with its anonymous volumes; safe to call twice."""
        from docker.errors import APIError, NotFound

        container, self._container = self._container, None
        if container is None:
            return
        try:
            if grace_s > 0:
                container.stop(timeout=max(1, round(grace_s)))
            else:
                _kill(container)
            self._log_path.parent.mkdir(parents=True, exist_ok=True)
            with self._log_path.open("wb") as log:
                for chunk in container.logs(stream=True):
                    log.write(chunk)
        except (APIError, NotFound):
            pass  # already gone, its log with it
        finally:
            try:
                container.remove(force=True, v=True)
            except NotFound:
                pass
            except APIError as error:
                if "in progress" not in str(error):
                    raise


def _kill(container: Any) -> None:
    from docker.errors import APIError

    with contextlib.suppress(APIError):  # it has ended by itself
        container.kill()


def _own_words(error: Exception) -> str:
    return " ".join(str(getattr(error, "explanation", None) or error).split())
