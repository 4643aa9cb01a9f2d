"""Launches a ``tritonserver`` binary as a child process, for the embedded and local modes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from autotune.environment import MemoryKills
from autotune.errors import UsageError
from autotune.server._arguments import triton_arguments
from autotune.server._autocomplete import needs_completion
from autotune.server._belongings import new_prefix, remove_shared_memory
from autotune.server._control import ControlClient
from autotune.server._ended import why_ended
from autotune.server._options import LaunchOptions
from autotune.server._ports import LOOPBACK, PORT_ATTEMPTS, Ports, PortsTaken, pick_ports
from autotune.server._process import ServerProcess
from autotune.server._readiness import ReadyServer, await_ready
from autotune.server._safe_path import at_safe_path
from autotune.server._types import Endpoint, ServerCrashed


@dataclass(frozen=True)
class Binary:
    """A ``tritonserver`` with its leading arguments and environment.

    Attributes:
        command: The command and leading arguments.
        environment: The complete environment.
        directory: A directory of its own, removed after the server's end.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    directory: Path | None = None


@contextmanager
def launch_process(
    binary: Binary, options: LaunchOptions, repository: Path, models: Sequence[str], log_path: Path
) -> Iterator[ReadyServer]:
    """Context of a ready server of ``binary`` with the models loaded, the first of them under test.

    Raises as `Launcher.launch`.
    """
    with at_safe_path(repository) as shown, _launched(binary, options, shown, models, log_path) as server:
        yield server


@contextmanager
def _launched(
    binary: Binary, options: LaunchOptions, repository: Path, models: Sequence[str], log_path: Path
) -> Iterator[ReadyServer]:
    prefix = new_prefix()
    complete_config = needs_completion(repository, models)
    started = time.monotonic()
    process = ServerProcess(log_path)
    try:
        for attempt in range(1, PORT_ATTEMPTS + 1):
            ports = pick_ports(options.http_port, options.grpc_port)
            _start(process, binary, options, repository, models, ports, prefix, complete_config)
            watch = _Watch(process, log_path)
            try:
                _await(watch, prefix, ports, models[0], options.start_timeout_s)
                break
            except PortsTaken as taken:
                process.stop(0, keep_directory=True)
                if attempt == PORT_ATTEMPTS or not ports.chosen:
                    raise ServerCrashed(f"a port was taken while the server started: {taken}") from None
        watch.ready = True
        process.loaded()
        server = ReadyServer(
            endpoint=Endpoint(LOOPBACK, ports.http, ports.grpc),
            model=models[0],
            startup_s=time.monotonic() - started,
            log_path=log_path,
            alive=watch.check,
            pid=process.pid,
        )
        with server.watching_model(watch.kills) as watched:
            yield watched
    finally:
        process.stop(options.stop_grace_s)
        remove_shared_memory(prefix)  # the keeper does so, unless it was killed with the server


def _start(
    process: ServerProcess,
    binary: Binary,
    options: LaunchOptions,
    repository: Path,
    models: Sequence[str],
    ports: Ports,
    prefix: str,
    complete_config: bool,
) -> None:
    arguments = triton_arguments(
        server_id=prefix.rstrip("-"),
        repository=str(repository),
        models=models,
        address=LOOPBACK,
        ports=ports,
        stop_grace_s=options.stop_grace_s,
        complete_config=complete_config,
        extra=(f"--backend-config=python,shm-region-prefix-name={prefix}", *options.triton_args),
    )
    try:
        process.start([*binary.command, *arguments], binary.environment, directory=binary.directory, prefix=prefix)
    except OSError as error:
        raise UsageError(f"--triton-path: cannot start {binary.command[0]}: {error.strerror or error}") from None


def _await(watch: _Watch, prefix: str, ports: Ports, model: str, timeout_s: float) -> None:
    await_ready(ControlClient(LOOPBACK, ports.http), prefix.rstrip("-"), model, timeout_s, watch.check)


class _Watch:
    """Reports how a process ended: a refused load while starting, a crash later."""

    def __init__(self, process: ServerProcess, log_path: Path) -> None:
        self._process = process
        self._log_path = log_path
        self.kills = MemoryKills(process.pid or 0)
        self.ready = False

    def check(self) -> None:
        """Raises if the process has ended."""
        returncode = self._process.returncode()
        if returncode is not None:
            log = self._log_path.read_text(errors="replace")
            lack = "out of memory" if self.kills.happened else ""
            raise why_ended(returncode, log, ready=self.ready, lack=lack)
